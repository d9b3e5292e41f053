"""Objects by path, through obstore, with its errors put into the words of our ports.

A missing object is KeyError, but only where the store says so itself: an S3 that answers 404 may have lost the whole
bucket, and what a proxy answers says nothing at all. Everything else that goes wrong is a StoreError of one line,
without what obstore adds for its own developers: Away where it may pass.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from penstock.ports import Away, StoreError
from penstock.store.blobnames import CHUNK

T = TypeVar("T")
Listed = list[tuple[str, int]]
PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
"""Bounds the memory of one upload to 32 MiB; S3 takes parts of 5 MiB and more."""
MOST_BYTES = 10_000 * PART_BYTES
"""S3 takes 10,000 parts for one object."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ASKED = re.compile(r"performing ([A-Z]+) ")
_FAILED = "HTTP error: "
_PASSING = ("408", "429", "500", "502", "503", "504")


class CutOff(Away):
    """An answer that ended too early: the one thing that obstore does not ask for again by itself."""


def _once_more(look: Callable[[], T]) -> T:
    """Look again, twice at most, where an answer was cut off."""
    for _ in range(2):
        try:
            return look()
        except CutOff:
            continue
    return look()


class Objects:
    """One bucket, or what stands for it.

    `where` names it in messages; `proof`: what must be in an answer before an object counts as missing, "" where
    not finding it is proof enough. `signs`: whether it can sign addresses.
    """

    def __init__(self, store: Any, where: str = "objects", proof: str = "", signs: bool = False) -> None:
        self._store, self._where, self._proof, self.signs = store, where, proof, signs

    def put(self, path: str, data: bytes) -> None:
        """Write an object as a whole, over an older one."""
        with self.telling(path):
            obstore.put(self._store, path, data, use_multipart=False)

    def put_stream(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write an object as a whole from chunks; what raises while they come leaves nothing that can be read."""
        writer = self.writer(path)
        for chunk in chunks:
            writer.write(chunk)
        writer.close()

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless there is one. False when there is, which after a lost answer may be this very one."""
        try:
            with self.telling(path):
                obstore.put(self._store, path, data, mode="create")
        except FileExistsError:
            return False
        return True

    def size(self, path: str) -> int | None:
        """Size in bytes, None where there is no such object."""
        try:
            with self.telling(path, proof=""):
                return int(obstore.head(self._store, path)["size"])
        except FileNotFoundError:
            if not self._proof:
                return None
        # The answer to HEAD has no body that could say what is missing.
        try:
            return self.open(path)[0]
        except KeyError:
            return None

    def open(self, path: str, start: int = 0, end: int | None = None) -> tuple[int, Iterator[memoryview]]:
        """The size of an object, and its bytes from `start` to before `end`. Raises KeyError at once.

        The chunks are as large as the store sends them; they raise StoreError where they end too early.
        """
        options: Any = {"range": (start, end)} if end is not None else {}
        try:
            with self.telling(path):
                found = obstore.get(self._store, path, options=options)
                first, last = found.range
        except FileNotFoundError:
            raise KeyError(path) from None
        return int(found.meta["size"]), self._whole(path, found, last - first)

    def copy(self, source: str, target: str) -> None:
        """Copy inside the store. Raises KeyError when there is no `source`."""
        try:
            with self.telling(source):
                obstore.copy(self._store, source, target)
        except FileNotFoundError:
            raise KeyError(source) from None

    def delete(self, paths: list[str]) -> None:
        """Remove objects; missing ones are no error."""
        # Some stores miss what is not there. Those that sign take many at once, and miss nothing.
        for some in [paths] if self.signs and paths else [[path] for path in paths]:
            with contextlib.suppress(FileNotFoundError), self.telling(some[0]):
                obstore.delete(self._store, some)

    def get(self, path: str) -> bytes:
        """A small object as a whole. Raises KeyError."""
        return _once_more(lambda: b"".join(self.open(path)[1]))

    def below(self, folder: str) -> Listed:
        """Path and size of all objects below a folder."""

        def look() -> Listed:
            with self.telling(folder):
                pages = obstore.list(self._store, folder)
                return [(str(found["path"]), int(found["size"])) for page in pages for found in page]

        return _once_more(look)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, in order."""

        def look() -> list[str]:
            with self.telling(folder):
                found = obstore.list_with_delimiter(self._store, folder)
            return sorted(str(path).rpartition("/")[2] for path in found["common_prefixes"])

        return _once_more(look)

    def writer(self, path: str) -> "Writer":
        """An object that is written bit by bit, and there as a whole or not at all."""
        with self.telling(path):
            writer = obstore.open_writer(
                self._store, path, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        return Writer(self, path, writer)

    def sign(self, path: str, valid_s: int) -> str:
        """An address to which anybody may PUT this object until `valid_s` seconds have passed."""
        with self.telling(path):
            return str(obstore.sign(self._store, "PUT", path, timedelta(seconds=valid_s)))

    def _whole(self, path: str, found: Any, expected: int) -> Iterator[memoryview]:
        got = 0
        with self.telling(path):
            for chunk in found.stream(min_chunk_size=CHUNK):
                got += len(chunk)
                yield memoryview(chunk)
        if got != expected:
            raise CutOff(f"{self._where}: {path} ended after {got} of {expected} bytes")

    @contextlib.contextmanager
    def telling(self, path: str, proof: str | None = None) -> Iterator[None]:
        """Errors of obstore as StoreError, and as FileNotFoundError or FileExistsError where they are that."""
        try:
            yield
        except (AlreadyExistsError, FileExistsError):
            raise FileExistsError(path) from None
        except FileNotFoundError as wrong:
            if (self._proof if proof is None else proof) in str(wrong):
                raise FileNotFoundError(path) from None
            raise told(self._where, wrong) from None
        except (BaseError, OSError, NotImplementedError) as wrong:
            raise told(self._where, wrong) from None


class Writer:
    """An object on its way in; nothing of it can be read before `close` returned."""

    def __init__(self, objects: Objects, path: str, writer: Any) -> None:
        self._objects, self._path, self._writer = objects, path, writer
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes. Raises StoreError, also for what an earlier part met."""
        self._size += len(chunk)
        if self._size > MOST_BYTES:
            raise StoreError(f"{self._path}: more than {MOST_BYTES >> 30} GiB in one object")
        # obstore keeps the buffer itself until the part is sent, and a sender may fill it anew: what is stored
        # would not be what was digested. For `bytes` this copies nothing.
        with self._objects.telling(self._path):
            self._writer.write(bytes(chunk))

    def close(self) -> None:
        """Put it together. Raises StoreError; then it may be there or not."""
        with self._objects.telling(self._path):
            self._writer.close()


def told(where: str, wrong: BaseException) -> StoreError:
    """What obstore says, in a few words: "GET answered 403 SignatureDoesNotMatch"."""
    text = str(wrong).partition("\n\nDebug source")[0]
    status, code, asked = _STATUS.search(text), _CODE.search(text), _ASKED.search(text)
    call = asked[1] if asked else "a request"
    if status or code:
        what = " ".join(found[1] for found in (status, code) if found)
        kind = Away if status is None or status[1] in _PASSING else StoreError
        return kind(f"{where}: {call} answered {what}")
    if _FAILED in text:
        what = text.rpartition(_FAILED)[2].strip()[:200]
        return (CutOff if "body" in what else Away)(f"{where}: {call} failed: {what}")
    return StoreError(f"{where}: {' '.join(text.split())[:200]}")
