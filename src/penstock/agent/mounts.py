"""Fewer mounts around a sandbox. bubblewrap reads the list of all mounts after each of its own, some twenty times.

So the process above sandboxes leaves out what none of them sees: /sys with all that is mounted in it, and what lies in
memory below /dev. It has a mount namespace of its own for that, which follows the machine's and never the other way round.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_ONE_WAY, _MNT_DETACH = 16384, 1 << 19, 2
_LIST = "/proc/self/mountinfo"
_NEEDLESS = ("/sys", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages")
_GROUPS = ("cgroup", "cgroup2")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Sight:
    """What one process sees of the machine's mounts. It must have a single thread."""

    def __init__(self) -> None:
        self._groups: dict[str, int] | None = None

    def narrow(self, used: Iterable[str]) -> None:
        """Do without needless mounts from the first call on (`leave_out`)."""
        if self._groups is None:
            self._groups = leave_out(used)

    def open(self, path: str) -> int:
        """A file of a control group, open for writing, wherever it lies now. Raises OSError."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        for above, handle in (self._groups or {}).items():
            if path.startswith(above + "/"):
                return os.open(path[len(above) + 1 :], flags, dir_fd=handle)
        return os.open(path, flags)


def leave_out(used: Iterable[str]) -> dict[str, int]:
    """Do without needless mounts from now on, except those in which one of the paths `used` lies.

    Returns descriptors of the file systems of control groups by the paths where they were: they are reached through these
    alone. Nothing happens, and none is returned, where a mount namespace may not be made, as by whoever is not root.
    """
    if _LIBC.unshare(_CLONE_NEWNS):
        return {}
    # What is unmounted in one that is shared is unmounted for the machine: without this nothing may be.
    if _LIBC.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_ONE_WAY), None):
        return {}
    mounts = _mounts()
    if any(shared for _, _, shared in mounts):
        return {}
    paths = tuple(used)
    groups = {}
    for path in sorted((path for path, kind, _ in mounts if kind in _GROUPS), reverse=True):
        # One that another mount hides is of no use to anybody.
        with contextlib.suppress(OSError):
            groups[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
    for path, _, _ in reversed(mounts):
        if any(_below(path, one) for one in _NEEDLESS) and not any(_below(one, path) for one in paths):
            _LIBC.umount2(os.fsencode(path), _MNT_DETACH)
    return groups


def _mounts() -> list[tuple[str, str, bool]]:
    """(where, kind of file system, whether others hear of what is done to it) of every mount; proc(5)."""
    found = []
    with open(_LIST) as file:
        for line in file:
            about, _, system = line.partition(" - ")
            fields = about.split()
            shared = any(field.startswith("shared:") for field in fields[6:])
            found.append((fields[4], system.split()[0], shared))
    return found


def _below(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")
