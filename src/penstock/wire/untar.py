"""Unpacks what `trees.pack` or `git archive` wrote, from a sender that is not trusted.

Nothing is ever followed: every path that was made is remembered by kind, and an entry may lie only in a folder that was
made here. The target must be new and ours alone, so that nobody can swap a folder for a link meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Callable

from penstock.wire.tarheads import BLOCK, FILE, FOLDER, SYMLINK, Head, TreeError, padding, read_head, shown
from penstock.wire.trees import CHUNK, Budget, Limits, check_links

Read = Callable[[int], bytes]
INSTALLED_MTIME = 315532800
"""1980-01-01: the earliest time that zip archives can hold; what an installed tree's files get."""
_PART_MAX = 255
_LINK_MAX = 4096


def unpack(
    read: Read,
    folder: str | os.PathLike[str],
    limits: Limits = Limits(),
    *,
    source: bool = False,
    absolute: Mapping[str, str] | None = None,
    mtime: int = INSTALLED_MTIME,
    mode_mask: int = 0o777,
    owner: tuple[int, int] | None = None,
    skip: frozenset[str] = frozenset(),
) -> None:
    """Unpack the stream that `read(size)` gives (b"" = end) into an existing empty folder.

    `source`: symbolic links may lead anywhere; they are made last and never followed. Otherwise they must stay in the
    tree or below a place of `absolute` (see trees.pack). Every entry's mtime becomes `mtime`, its mode is masked, its
    owner (uid, gid) set where given; `skip` names top-level files to leave out. Raises TreeError for anything else
    than files, folders and links, for paths that leave the tree, are there twice, go through links or are too many,
    too long or too large, and for a stream that ends early or goes on behind its end; OSError as the disk gives it.
    """
    target = _Target(os.fsencode(folder), mtime, mode_mask, owner)
    stream, budget = _Stream(read), Budget(limits)
    skipped = {os.fsencode(name) for name in skip}
    while True:
        head = read_head(stream.take)
        if head is None:
            break
        name = _name(head)
        budget.add(name, head.size)
        if name in skipped and head.kind == FILE:
            stream.pass_over(head.size)
        elif name:
            target.make(head._replace(name=name), stream)
    stream.drain()
    if not source:
        check_links(target.links, absolute)
    target.finish()


def heads(read: Read, limits: Limits = Limits()) -> Iterator[Head]:
    """What a stream holds, without unpacking it: the head of every entry, contents passed over. Raises TreeError."""
    stream, budget = _Stream(read), Budget(limits)
    while True:
        head = read_head(stream.take)
        if head is None:
            return
        name = _name(head)
        budget.add(name, head.size)
        stream.pass_over(head.size)
        if name:
            yield head._replace(name=name)


def _name(head: Head) -> bytes:
    parts = [part for part in head.name.split(b"/") if part not in (b"", b".")]
    if head.name.startswith(b"/"):
        raise TreeError(f"{shown(head.name)}: the path is absolute")
    if b".." in parts:
        raise TreeError(f"{shown(head.name)}: the path leaves the tree")
    if b"\0" in head.name or b"\0" in head.link:
        raise TreeError(f"{shown(head.name)}: the path holds a zero byte")
    if not parts and head.kind != FOLDER:
        raise TreeError("an entry of the tar stream has no name")
    if len(head.link) >= _LINK_MAX or any(len(part) > _PART_MAX for part in parts):
        raise TreeError(f"{shown(head.name)}: a name or target is longer than a file system takes")
    return b"/".join(parts)


class _Stream:
    """Exact reads from a reader that gives what it likes."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._data = b""
        self._at = 0

    def take(self, size: int) -> memoryview:
        """Exactly `size` bytes (at most some chunks). Raises TreeError where the stream ends before."""
        end = self._at + size
        if end > len(self._data):
            self._fill(size)
            end = size
        piece = memoryview(self._data)[self._at : end]
        self._at = end
        return piece

    def pass_over(self, size: int) -> None:
        """Skip content and its padding."""
        left = size + padding(size)
        while left:
            left -= len(self.take(min(left, CHUNK)))

    def drain(self) -> None:
        """Read to the real end, so that a digest of the whole stream can be had; only zeros may follow."""
        rest = self._data[self._at :]
        self._data, self._at = b"", 0
        while True:
            if rest.strip(b"\0"):
                raise TreeError("the tar stream goes on behind its end")
            rest = self._read(CHUNK)
            if not rest:
                return

    def _fill(self, size: int) -> None:
        pieces, held = [self._data[self._at :]], len(self._data) - self._at
        while held < size:
            piece = self._read(CHUNK)
            if not piece:
                raise TreeError("the tar stream ends in the middle")
            pieces.append(piece)
            held += len(piece)
        self._data, self._at = b"".join(pieces), 0


class _Target:
    """The folder being filled. Links and the folders' own modes come last: until then all is plain and writable."""

    def __init__(self, folder: bytes, mtime: int, mask: int, owner: tuple[int, int] | None) -> None:
        self._folder = folder
        self._times = (mtime, mtime)
        self._mask = mask
        self._owner = owner
        self._kinds: dict[bytes, bytes] = {b"": FOLDER}
        self._folders: dict[bytes, int] = {}
        self.links: dict[bytes, bytes] = {}

    def make(self, head: Head, stream: _Stream) -> None:
        """Make one entry. Raises TreeError."""
        parent = head.name.rpartition(b"/")[0]
        if self._kinds.get(parent) != FOLDER:
            self._make_parents(head.name)
        before = self._kinds.get(head.name)
        if before is not None and not (head.kind == before == FOLDER and head.name not in self._folders):
            raise TreeError(f"{shown(head.name)}: the path is there twice")
        self._kinds[head.name] = head.kind
        if head.kind == FILE:
            self._write(head, stream)
        elif head.kind == SYMLINK:
            self.links[head.name] = head.link
        else:
            if before is None:
                os.mkdir(self._path(head.name), 0o700)
            self._folders[head.name] = head.mode & self._mask

    def finish(self) -> None:
        """Make the links, then give folders their modes and times, deepest first."""
        for name, link in self.links.items():
            if not link:
                raise TreeError(f"{shown(name)}: the link has no target")
            path = self._path(name)
            os.symlink(link, path)
            if self._owner:
                os.lchown(path, *self._owner)
            os.utime(path, self._times, follow_symlinks=False)
        for name in sorted((n for n, kind in self._kinds.items() if kind == FOLDER and n), reverse=True):
            path = self._path(name)
            if self._owner:
                os.lchown(path, *self._owner)
            os.chmod(path, self._folders.get(name, 0o755 & self._mask))
            os.utime(path, self._times)

    def _make_parents(self, name: bytes) -> None:
        parts = name.split(b"/")[:-1]
        for end in range(1, len(parts) + 1):
            parent = b"/".join(parts[:end])
            kind = self._kinds.get(parent)
            if kind is None:
                os.mkdir(self._path(parent), 0o700)
                self._kinds[parent] = FOLDER
            elif kind != FOLDER:
                what = "a link" if kind == SYMLINK else "a file"
                raise TreeError(f"{shown(name)}: the path goes through {what}")

    def _write(self, head: Head, stream: _Stream) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._path(head.name), flags, 0o600)
        try:
            left = head.size
            while left:
                piece = stream.take(min(left, CHUNK))
                left -= len(piece)
                while piece:
                    piece = piece[os.write(handle, piece) :]
            if head.size % BLOCK:
                stream.take(padding(head.size))
            if self._owner:
                os.fchown(handle, *self._owner)
            os.fchmod(handle, head.mode & self._mask)
            os.utime(handle, self._times)
        finally:
            os.close(handle)

    def _path(self, name: bytes) -> bytes:
        return self._folder + b"/" + name
