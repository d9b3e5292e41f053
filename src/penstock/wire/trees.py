"""A folder as a stream of bytes and back: the same files give the same digest, whatever their order, times, owners.

Packing writes an uncompressed tar: entries sorted, times and owners zero, permission bits without setuid, setgid and
sticky, hard links as files of their own, pax records only where a name or size does not fit. The folder itself is not an
entry. Standard library only: hub and agent use it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Callable, NamedTuple

from penstock.wire.links import escaping
from penstock.wire.tarheads import BLOCK, END, FILE, FOLDER, SYMLINK, Head, TreeError, encode, padding, shown

__all__ = ["CHUNK", "Budget", "Limits", "TreeError", "check_links", "pack", "places", "shown"]
CHUNK = 1 << 20
_OTHER = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
Write = Callable[[bytes], object]


class Limits(NamedTuple):
    """What a tree may hold: entries, bytes of content, bytes of one path. The path leaves room for a folder before it."""

    entries: int = 2_000_000
    size_bytes: int = 64 << 30
    path_bytes: int = 3072


def pack(
    folder: str | os.PathLike[str],
    write: Write | None = None,
    *,
    absolute: Mapping[str, str] | None = None,
    any_links: bool = False,
    limits: Limits = Limits(),
) -> tuple[str, int]:
    """Send a folder to `write` in chunks; returns ("sha256:<hex>" of the stream, its size in bytes).

    A link that leads out of the tree is refused unless `any_links` (a source tree is kept as it is). `absolute`: places
    at which the tree will lie, as {"/opt/penstock": ""}; links below them stay inside. Raises TreeError naming the
    path, also for devices, sockets and fifos; what was written until then is worth nothing.
    """
    sink = _Sink(write)
    links: dict[bytes, bytes] = {}
    budget = Budget(limits)
    for name, path, status in _walk(os.fsencode(folder), budget):
        _put(sink, name, path, status, links)
    if not any_links:
        check_links(links, absolute)
    return sink.finish()


def places(absolute: Mapping[str, str] | None) -> dict[bytes, bytes]:
    """The same mapping in bytes."""
    return {os.fsencode(key): os.fsencode(value) for key, value in (absolute or {}).items()}


def check_links(links: Mapping[bytes, bytes], absolute: Mapping[str, str] | None) -> None:
    """Raises TreeError naming the first link that leads out of the tree."""
    path = escaping(links, places(absolute))
    if path is not None:
        raise TreeError(f"{shown(path)}: the link to {shown(links[path])} leads out of the tree")


class Budget:
    """Counts what a tree holds and says when it is too much."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries = 0
        self._bytes = 0

    def add(self, name: bytes, size: int) -> None:
        """Count one entry. Raises TreeError."""
        self._entries += 1
        self._bytes += size
        if self._entries > self._limits.entries:
            raise TreeError(f"{shown(name)}: the tree has more than {self._limits.entries} entries")
        if self._bytes > self._limits.size_bytes:
            raise TreeError(f"{shown(name)}: the tree is larger than {self._limits.size_bytes} bytes")
        if len(name) > self._limits.path_bytes:
            raise TreeError(f"{shown(name)}: a path is longer than {self._limits.path_bytes} bytes")


class _Sink:
    """Gathers small pieces, digests them and hands them on; large ones pass without a copy."""

    def __init__(self, write: Write | None) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= CHUNK:
            self._flush()

    def finish(self) -> tuple[str, int]:
        self.add(END)
        self._flush()
        return "sha256:" + self._digest.hexdigest(), self._size

    def _flush(self) -> None:
        if not self._held:
            return
        chunk = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        self._pieces, self._held = [], 0
        self._size += len(chunk)
        self._digest.update(chunk)
        if self._write is not None:
            self._write(chunk)


def _walk(folder: bytes, budget: Budget) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    """(name in the tree, path on disk, status) of every entry, parents first, sorted, without recursion."""
    pending = _children(folder, b"")
    while pending:
        name, path = pending.pop()
        status = os.lstat(path)
        budget.add(name, status.st_size if stat.S_ISREG(status.st_mode) else 0)
        yield name, path, status
        if stat.S_ISDIR(status.st_mode):
            pending.extend(_children(path, name + b"/"))


def _children(path: bytes, before: bytes) -> list[tuple[bytes, bytes]]:
    try:
        names = sorted(os.listdir(path), reverse=True)
    except OSError as error:
        raise _unreadable(before.rstrip(b"/") or path, error) from error
    return [(before + name, path + b"/" + name) for name in names]


def _put(sink: _Sink, name: bytes, path: bytes, status: os.stat_result, links: dict[bytes, bytes]) -> None:
    mode = status.st_mode & 0o777
    if stat.S_ISREG(status.st_mode):
        _put_file(sink, name, path, status)
    elif stat.S_ISDIR(status.st_mode):
        sink.add(encode(Head(name, FOLDER, mode, 0, b"")))
    elif stat.S_ISLNK(status.st_mode):
        links[name] = os.readlink(path)
        sink.add(encode(Head(name, SYMLINK, 0o777, 0, links[name])))
    else:
        kind = _OTHER.get(stat.S_IFMT(status.st_mode), "something that is no file")
        raise TreeError(f"{shown(name)}: {kind} cannot be packed")


def _put_file(sink: _Sink, name: bytes, path: bytes, status: os.stat_result) -> None:
    size = status.st_size
    sink.add(encode(Head(name, FILE, status.st_mode & 0o777, size, b"")))
    try:
        # Never through a link, never waiting on a fifo: the path may be another thing than it was a moment ago.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        _put_content(sink, name, handle, size)
    finally:
        os.close(handle)


def _put_content(sink: _Sink, name: bytes, handle: int, size: int) -> None:
    left = size
    while left:
        piece = os.read(handle, min(left, CHUNK))
        if not piece:
            raise TreeError(f"{shown(name)}: became shorter while it was packed")
        sink.add(piece)
        left -= len(piece)
    if size % BLOCK:
        sink.add(bytes(padding(size)))


def _unreadable(name: bytes, error: OSError) -> TreeError:
    return TreeError(f"{shown(name)}: cannot be read ({os.strerror(error.errno or 0)})")
