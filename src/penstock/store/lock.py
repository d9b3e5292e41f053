"""The state folder belongs to one process at a time.

flock, because the kernel lets go of it however the process ends. The handle is closed on exec and after fork,
so that a program started by the hub, which may outlive it, does not keep the folder locked.
"""

import fcntl
import os
import weakref
from pathlib import Path

from penstock.ports import Locked

FILE_NAME = "penstock.lock"
_held: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


class FolderLock:
    """The lock on `folder`, held from here until `release`. Raises ports.Locked when another has it."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE_NAME
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise Locked(
                f"the state folder {folder} is in use by process {holder}: stop that one, or use --hub"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        _held.add(self)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        if self._handle >= 0:
            _held.discard(self)
            os.close(self._handle)
            self._handle = -1

    def forget(self) -> None:
        """Close the handle in a forked child; the parent's lock is not touched by that."""
        self.release()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
