"""A program of its own: makes a socket in the network of a sandbox and hands it out, so that the one thing that listens there
is served from outside, and nothing else leads in or out.

Started beside the agent, because only a process with one thread may enter a user namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import sys
import time

_NS_GET_USERNS = 0xB701
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TRIES, _PAUSE_S = 100, 0.02
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(pid: str, port: str, channel: str) -> None:
    """Listen on loopback in the network of this process, and send the socket over the channel, a descriptor."""
    enter(int(pid))
    with socket.socket(fileno=int(channel)) as out, listening(int(port)) as made:
        socket.send_fds(out, [b"S"], [made.fileno()])


def enter(pid: int) -> None:
    """Be in the network of a process, with the rights of whoever made it. Raises OSError."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.geteuid():
        # Not the process's own user namespace: bubblewrap makes a second one, which has no say over the network.
        owner = fcntl.ioctl(network, _NS_GET_USERNS)
        _checked(_LIBC.setns(owner, _CLONE_NEWUSER))
    _checked(_LIBC.setns(network, _CLONE_NEWNET))


def listening(port: int) -> socket.socket:
    """A socket on loopback, as soon as there is one. Raises OSError."""
    for left in range(_TRIES, 0, -1):
        try:
            return socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError:
            if left == 1:
                raise
        time.sleep(_PAUSE_S)
    raise AssertionError


def _checked(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
