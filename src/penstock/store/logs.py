"""What attempts printed, by byte offset: one file per attempt in a folder.

Appending is level-triggered: bytes that are there already are not written again, a gap is refused, and the
answer is always the offset that is expected next. So a sender may repeat anything after a cut.
"""

import os
import re
from pathlib import Path

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class FolderLogs:
    """Logs in `folder`, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def size(self, attempt: str) -> int:
        """Bytes that are there; 0 for an attempt that printed nothing."""
        try:
            return self._file(attempt).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        """Add `data` that begins at `offset` of the log. Returns the offset expected next."""
        handle = os.open(self._file(attempt), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            have = os.fstat(handle).st_size
            fresh = data[have - offset :] if 0 <= have - offset < len(data) else b""
            written = 0
            while written < len(fresh):
                written += os.pwrite(handle, fresh[written:], have + written)
            return have + written
        finally:
            os.close(handle)

    def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
        """At most `most_bytes` from `offset` on; empty at the end."""
        try:
            with self._file(attempt).open("rb") as log:
                log.seek(offset)
                return log.read(most_bytes)
        except FileNotFoundError:
            return b""

    def _file(self, attempt: str) -> Path:
        if not _NAME.match(attempt):
            raise ValueError(f"not the name of an attempt: {attempt!r}")
        return self._folder / f"{attempt}.log"
