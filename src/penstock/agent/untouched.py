"""Whether a file or folder is as it was left, told by its own record on disk: what was not touched need not be made again.

To make and delete a file costs more than anything else that the agent does for a small job (docs/decisions/0227).
"""

from __future__ import annotations

import itertools
import os
import time
from typing import NamedTuple

FEW = 12
"""So many files are looked at one by one, and no more."""
_KEPT_MAX = 64 * 1024
_MARGIN_NS = 50_000_000
"""More than a tick of any kernel: what changes twice within one may show the same time of change."""
_COARSE_NS = 3_000_000_000
"""The same where times have no fractions: some file systems count seconds."""
_SECOND_NS = 1_000_000_000


class Mark(NamedTuple):
    """How one was seen. `sure`: it had been left alone for a while, so no later change can show the same time of change."""

    state: tuple[int, ...]
    accessed_ns: int
    sure: bool


def seen(path: str) -> Mark:
    """How it is now. The time of change is the kernel's own: it moves with content, mode, owner, links and attributes, and
    nobody can set it. Raises OSError."""
    found = os.lstat(path)
    state = (
        found.st_ino,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_nlink,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
    margin_ns = _MARGIN_NS if found.st_ctime_ns % _SECOND_NS else _COARSE_NS
    return Mark(state, found.st_atime_ns, time.time_ns() - found.st_ctime_ns > margin_ns)


def same(before: Mark | None, now: Mark) -> bool:
    """Whether nothing can have happened in between."""
    return before is not None and before.sure and before.state == now.state


class Unpacked:
    """The few small files that were put into a folder, so that whoever wants the same finds them there.

    `key` says what they are; None: nothing is known of the folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.key: tuple[str, int] | None = None
        self._marks: dict[str, Mark] = {}
        self._kept: dict[str, tuple[bytes, list[str]]] = {}

    def note(self, key: tuple[str, int]) -> None:
        """This was put there just now, and nothing has run since. Too much of it, or other than files, is not remembered."""
        self.forget()
        with os.scandir(self._folder) as entries:
            found = list(itertools.islice(entries, FEW + 1))
        plain = all(entry.is_file(follow_symlinks=False) for entry in found)
        if len(found) > FEW or not plain or sum(entry.stat().st_size for entry in found) > _KEPT_MAX:
            return
        paths = [entry.path for entry in found]
        self._kept = {path: (_content(path), os.listxattr(path)) for path in paths}
        self._marks = {path: seen(path) for path in (self._folder, *paths)}
        self.key = key

    def whole(self) -> bool:
        """Whether all is still as it was put there, and nothing beside it; else it is forgotten. Only the time of the last
        access may have changed, which is set back."""
        try:
            whole = self.key is not None and all(self._is_as_was(path) for path in self._marks)
        except OSError:
            whole = False
        if not whole:
            self.forget()
        return whole

    def forget(self) -> None:
        """Nothing is known any more."""
        self.key = None
        self._marks, self._kept = {}, {}

    def _is_as_was(self, path: str) -> bool:
        before, now = self._marks[path], seen(path)
        if before.state != now.state or not (before.sure or self._holds_the_same(path)):
            return False
        if before.accessed_ns != now.accessed_ns and path in self._kept:
            os.utime(path, ns=(before.accessed_ns, before.state[6]))
            now = seen(path)._replace(accessed_ns=before.accessed_ns)
        self._marks[path] = now
        return True

    def _holds_the_same(self, path: str) -> bool:
        """Looked at itself: a change just after it was made might show the same time."""
        if path == self._folder:
            return {f"{path}/{name}" for name in os.listdir(path)} == self._kept.keys()
        return (_content(path), os.listxattr(path)) == self._kept[path]


def _content(path: str) -> bytes:
    """All of a small file, without a trace in its time of access."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME | os.O_CLOEXEC)
    try:
        return os.read(handle, _KEPT_MAX + 1)
    finally:
        os.close(handle)
