"""Marks beside the blobs: small texts that are written over."""

import re
from pathlib import Path
from typing import Any

from penstock.ports import StoreError
from penstock.store.durable import write_over

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
    """As ports.Marks: objects below marks/ of an obstore store."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, name: str) -> bytes | None:
        """As ports.Marks.read."""
        import obstore

        try:
            return bytes(obstore.get(self._store, f"marks/{_checked(name)}").bytes())
        except FileNotFoundError:
            return None
        except Exception as wrong:
            raise StoreError(f"the mark {name} cannot be read: {wrong}") from wrong

    def write(self, name: str, text: bytes) -> None:
        """As ports.Marks.write."""
        import obstore

        path = f"marks/{_checked(name)}"
        try:
            obstore.put(self._store, path, text)
        except Exception as wrong:
            raise StoreError(f"the mark {name} cannot be written: {wrong}") from wrong


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"not the name of a mark: {name!r}")
    return name

