"""The files that secrets lie in, on the hub's own disk: read when a job is given one, kept nowhere."""

import os
import stat
from pathlib import Path

MOST_BYTES = 64 << 10


class Unreadable(Exception):
    """A secret that cannot be given: why, without where it lies."""


def read_secret(path: Path) -> bytes:
    """What the file holds. Raises Unreadable where it is missing, empty, too long, or others than the hub's user could
    have read it, too: then it is no secret any more."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as wrong:
        raise Unreadable(f"its file cannot be opened: {wrong.strerror}") from None
    try:
        _check(os.fstat(handle))
        found = os.read(handle, MOST_BYTES + 1)
    finally:
        os.close(handle)
    if not found or len(found) > MOST_BYTES:
        raise Unreadable(f"its file is empty, or longer than {MOST_BYTES} bytes")
    return found


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("its file is none")
    if found.st_uid not in (0, os.geteuid()):
        raise Unreadable("its file belongs to another user than the hub's")
    if found.st_mode & 0o077:
        raise Unreadable("its file can be read by others: chmod 600")
