"""Marks beside the blobs: small texts that are written over."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.ports import Marks, StoreError
from penstock.store.durable import write_over

if TYPE_CHECKING:
    from penstock.store.objects import Objects

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,31}$")


class FolderMarks:
    """As ports.Marks: files in `folder`, which is made when something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """As ports.Marks.read."""
        try:
            return (self._folder / _checked(name)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as wrong:
            raise StoreError(f"{self._folder / name}: {wrong.strerror}") from wrong

    def write(self, name: str, text: bytes) -> None:
        """As ports.Marks.write."""
        path = self._folder / _checked(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_over(path, text)
        except OSError as wrong:
            raise StoreError(f"{path}: {wrong.strerror}") from wrong


class ObjectMarks:
    """As ports.Marks: objects below marks/."""

    def __init__(self, objects: "Objects") -> None:
        self._objects = objects

    def read(self, name: str) -> bytes | None:
        """As ports.Marks.read."""
        try:
            return self._objects.get(f"marks/{_checked(name)}")
        except KeyError:
            return None

    def write(self, name: str, text: bytes) -> None:
        """As ports.Marks.write."""
        self._objects.put(f"marks/{_checked(name)}", text)


def open_marks(url: str, folder: Path) -> Marks:
    """The marks beside the blobs of this address, as store/blobs.py reads it. Raises StoreError."""
    if url == "memory:":
        from obstore.store import MemoryStore

        from penstock.store.objects import Objects

        return ObjectMarks(Objects(MemoryStore()))
    if url.startswith("s3://"):
        from penstock.store.s3 import open_s3

        return ObjectMarks(open_s3(url, os.environ))
    return FolderMarks(folder / url.removeprefix("file:").removeprefix("//") / "marks")


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"not the name of a mark: {name!r}")
    return name
