"""Packed sources, kept by digest: a job whose source was here before need not download it again.

Packed, because every attempt unpacks a copy of its own, which it may change. A file holds the digest of its stream before
the stream, so what a power cut left is noticed. Removing a file takes nothing from who reads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

EMPTY = "sha256:" + hashlib.sha256(bytes(1024)).hexdigest()
"""The packed tree without anything in it."""
_CHUNK = 1 << 20
Read = Callable[[int], bytes]


class Damaged(Exception):
    """What came is not what the digest promises."""


class Sources:
    """The kept sources of one machine, the least recently used going first when they exceed `size_max` bytes."""

    def __init__(self, folder: Path, size_max: int = 5 << 30) -> None:
        self._folder = folder
        self._size_max = size_max
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.new"):
            path.unlink()

    def use(self, digest: str, consume: Callable[[Read], object]) -> bool:
        """Hand a kept source to `consume(read)`; False where it is not kept. Raises Damaged, then it is kept no more."""
        path = self._path(digest)
        try:
            file = path.open("rb")
        except OSError:
            return False
        with file:
            os.utime(path)
            promised, seen = file.read(32), hashlib.sha256()

            def read(size: int) -> bytes:
                piece = file.read(size)
                seen.update(piece)
                return piece

            try:
                consume(read)
                while read(_CHUNK):
                    pass
            except Exception:
                if _rest(file.read, seen) != promised:
                    path.unlink(missing_ok=True)
                    raise Damaged(f"the kept source {digest} is damaged") from None
                raise
        if seen.digest() != promised:
            path.unlink(missing_ok=True)
            raise Damaged(f"the kept source {digest} is damaged")
        return True

    def keeping(self, digest: str, read: Read) -> Keeping:
        """Reads as `read` does and keeps what comes, once `done` is called."""
        return Keeping(self._path(digest), read, self._shrink)

    def _path(self, digest: str) -> Path:
        # Whatever the hub calls it: no name of its making becomes a path.
        return self._folder / hashlib.sha256(digest.encode()).hexdigest()

    def _shrink(self) -> None:
        found = []
        for entry in os.scandir(self._folder):
            if not entry.name.endswith(".new"):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, entry.path))
        size = sum(one[1] for one in found)
        for _, one, path in sorted(found)[:-1]:
            if size <= self._size_max:
                return
            Path(path).unlink(missing_ok=True)
            size -= one


class Keeping:
    """A stream on its way. A full disk ends the keeping, not the reading."""

    def __init__(self, path: Path, read: Read, shrink: Callable[[], None]) -> None:
        self._path = path
        self._read = read
        self._shrink = shrink
        self._seen = hashlib.sha256()
        self._new = path.with_name(f"{path.name}.{os.urandom(4).hex()}.new")
        self._handle = -1
        self._write(bytes(32))

    def read(self, size: int) -> bytes:
        """The next bytes of the stream."""
        piece = self._read(size)
        self._seen.update(piece)
        if self._handle >= 0:
            self._write(piece)
        return piece

    def done(self) -> None:
        """The stream was whole and right: keep it."""
        try:
            if self._handle >= 0:
                os.pwrite(self._handle, self._seen.digest(), 0)
                os.replace(self._new, self._path)
                self._shrink()
        except OSError:
            self.abandon()

    def abandon(self) -> None:
        """Keep nothing that is not kept yet."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
            self._new.unlink(missing_ok=True)

    def _write(self, piece: bytes) -> None:
        try:
            if self._handle < 0:
                self._handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            while piece:
                piece = piece[os.write(self._handle, piece) :]
        except OSError:
            self.abandon()


def _rest(read: Read, seen: hashlib._Hash) -> bytes:
    while True:
        piece = read(_CHUNK)
        if not piece:
            return seen.digest()
        seen.update(piece)
