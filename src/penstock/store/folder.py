"""Folders reached from one open handle, without following links, and names that outlive a power cut."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Root:
    """The folder `path`, made when it is missing. It may itself be a link; nothing below it may be."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __del__(self) -> None:
        # The last reference may go while the constructor fails.
        if handle := getattr(self, "_handle", 0):
            os.close(handle)

    @contextlib.contextmanager
    def folder(self, *parts: str, make: bool = False) -> Iterator[int]:
        """A handle of a folder below. Raises FileNotFoundError, or OSError where a link stands in for a folder."""
        handle = os.dup(self._handle)
        try:
            for part in parts:
                deeper = _enter(handle, part, make)
                os.close(handle)
                handle = deeper
            yield handle
        finally:
            os.close(handle)

    def sync(self, *parts: str) -> None:
        """Make the names in a folder below durable, and the folder's own name in the one above.

        Only the first of the two costs anything, where there is nothing new in the other.
        """
        with self.folder(*parts) as handle:
            os.fsync(handle)
        with self.folder(*parts[:-1]) as handle:
            os.fsync(handle)

    def names(self, *parts: str) -> list[str]:
        """What lies in a folder below, in order; nothing when it is not there."""
        try:
            with self.folder(*parts) as handle:
                return sorted(os.listdir(handle))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _enter(handle: int, part: str, make: bool) -> int:
    """Open a folder inside another, and make it first where that is asked for."""
    try:
        return os.open(part, _FOLDER, dir_fd=handle)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, 0o700, dir_fd=handle)
    return os.open(part, _FOLDER, dir_fd=handle)


def remove(handle: int, name: str) -> None:
    """Remove a file of a folder; a missing one is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=handle)


def remove_empty(handle: int, name: str) -> None:
    """Remove a folder of a folder if nothing is in it."""
    try:
        os.rmdir(name, dir_fd=handle)
    except OSError as wrong:
        if wrong.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
