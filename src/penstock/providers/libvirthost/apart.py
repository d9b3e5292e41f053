"""Namespaces of one's own without being root: a network that has nothing but its own loopback.

See user_namespaces(7) and network_namespaces(7). All of it happens in a process that has no threads.
"""

import ctypes
import fcntl
import os
import pwd
import socket
import struct
from pathlib import Path

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
"""SIOCGIFFLAGS and SIOCSIFFLAGS of linux/sockios.h."""
_SET_ADDRESS = 0x8916
"""SIOCSIFADDR, of the same file."""
_UP = 1

_LIBC = ctypes.CDLL(None, use_errno=True)


def become(user: pwd.struct_passwd) -> None:
    """Be this user for good, with the groups that it has. Raises OSError."""
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    # Whoever was somebody else before may not write its own maps of users.
    _prctl(_PR_SET_DUMPABLE, 1)


def leave() -> None:
    """Go to a user and a network namespace of our own; the user stays the same in it. Raises OSError."""
    user, group = os.getuid(), os.getgid()
    if _LIBC.unshare(_NEW_USER | _NEW_NET):
        raise _error("the kernel refuses a namespace of one's own")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _loopback_up()


def settle(die_with_parent: int) -> None:
    """Take in every orphan below us, gain no rights by any program, and get this signal when the parent ends."""
    _prctl(_PR_SET_SUBREAPER, 1)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, die_with_parent)


def add_address(number: int, address: str) -> None:
    """Give loopback one more IPv4 address. `number`: from 1, another one each time. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        there = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(any_socket, _SET_ADDRESS, struct.pack("16s16s", f"lo:{number}".encode(), there))


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        raise _error(f"prctl {option}")


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
