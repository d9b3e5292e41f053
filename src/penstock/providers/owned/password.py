"""Passwords of switches: read when they are needed, never an argument, never told."""

import os
import stat
from pathlib import Path

from penstock.ports import ProviderError

MOST_BYTES = 1024


def checked(file: str) -> Path:
    """The file, which nobody but its owner may read. Raises ProviderError."""
    try:
        mode = os.stat(file).st_mode
    except OSError as wrong:
        raise ProviderError(f"password_file {file}: {wrong.strerror}") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ProviderError(f"password_file {file} may be read by others: chmod 600 {file}")
    return Path(file)


def password_in(file: str) -> str:
    """Its first line. Raises ProviderError."""
    path = checked(file)
    try:
        with path.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        raise ProviderError(f"password_file {file} cannot be read") from None
    return text.partition("\n")[0].rstrip("\r")
