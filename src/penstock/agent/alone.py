"""The network namespace of a slot, which holds nothing but its own loopback: made once, used as long as nothing went through it.

To make and destroy one for each attempt is a fifth of what a sandbox costs. One in which no packet was ever sent holds
nothing of an attempt whose processes are all gone: what is left of connections needs packets. It belongs to the keeper's
user namespace rather than to the sandbox's, so nobody in the sandbox can change it, as before.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_MINE = "/proc/self/ns/net"
_COUNTED = "/proc/self/net/dev"
_LIBC = ctypes.CDLL(None, use_errno=True)


class Alone:
    """One process's. It must have a single thread."""

    def __init__(self) -> None:
        self._home: int | None = None
        self._own: int | None = None
        self._unused = b""
        self._counts = -1
        self._inside = False

    def enter(self) -> bool:
        """From now on what is started here has a network of its own that nobody used. False where that may not be had, as by
        whoever is not root: then nothing has changed."""
        try:
            self._go_in()
        except OSError:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Go back to the machine's network. Raises OSError."""
        if self._home is not None and not os.path.samestat(os.stat(_MINE), os.fstat(self._home)):
            _checked(_LIBC.setns(self._home, _CLONE_NEWNET))
        self._inside = False

    def _go_in(self) -> None:
        if self._own is not None and not self._inside:
            _checked(_LIBC.setns(self._own, _CLONE_NEWNET))
            self._inside = True
        if not self._inside or _counted(self._counts) != self._unused:
            self._make()

    def _make(self) -> None:
        if self._home is None:
            self._home = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        _checked(_LIBC.unshare(_CLONE_NEWNET))
        self._inside = True
        old, self._own = self._own, os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
        if old is not None:
            os.close(old)
        _raise_loopback()
        if self._counts >= 0:
            os.close(self._counts)
        self._counts = os.open(_COUNTED, os.O_RDONLY | os.O_CLOEXEC)
        self._unused = _counted(self._counts)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _counted(handle: int) -> bytes:
    """Every interface that is there, with the packets that went through it. `handle`: of the network that it was opened in."""
    counted = b""
    while piece := os.pread(handle, 65536, len(counted)):
        counted += piece
    return counted


def _checked(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
