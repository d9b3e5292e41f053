"""What attempts printed, by byte offset: one file per attempt in a folder.

Appending is level-triggered: bytes that are there already are not written again, a gap is refused, and the
answer is always the offset that is expected next. So a sender may repeat anything after a cut.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from penstock.ports import LogStore

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUFFIX = ".log"


def open_logs(url: str, folder: Path) -> LogStore:
    """Where a farm with these blobs keeps its logs: beside them in S3, where every hub process reads and appends; else
    in `folder`. Raises StoreError."""
    if url.startswith("s3://"):
        from penstock.store.objectlogs import ObjectLogs
        from penstock.store.s3 import open_s3

        return ObjectLogs(open_s3(url, os.environ))
    return FolderLogs(folder)


def is_attempt(name: str) -> bool:
    """Whether an attempt could be called so."""
    return _NAME.fullmatch(name) is not None


def checked(attempt: str) -> str:
    """The name of an attempt. Raises ValueError for what could lead out of the folder."""
    if not is_attempt(attempt):
        raise ValueError(f"not the name of an attempt: {attempt!r}")
    return attempt


def fresh_part(data: bytes, offset: int, have: int) -> bytes:
    """What of `data`, which begins at `offset`, comes right after the first `have` bytes; nothing where there is a gap."""
    return data[have - offset :] if offset >= 0 and 0 <= have - offset < len(data) else b""


class FolderLogs:
    """Logs in `folder`, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def size(self, attempt: str) -> int:
        """As ports.LogStore.size."""
        try:
            return self._file(attempt).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, attempt: str, offset: int, data: bytes) -> int:
        """As ports.LogStore.append."""
        handle = os.open(self._file(attempt), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            have = os.fstat(handle).st_size
            fresh = fresh_part(data, offset, have)
            written = 0
            while written < len(fresh):
                written += os.pwrite(handle, fresh[written:], have + written)
            return have + written
        finally:
            os.close(handle)

    def read(self, attempt: str, offset: int, most_bytes: int) -> bytes:
        """As ports.LogStore.read."""
        try:
            handle = os.open(self._file(attempt), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        with os.fdopen(handle, "rb") as log:
            # A reader that asks for too much gets what is there, not memory for what is not.
            most_bytes = min(most_bytes, max(0, os.fstat(handle).st_size - offset))
            log.seek(offset)
            return log.read(most_bytes)

    def attempts(self) -> Iterator[str]:
        """As ports.LogStore.attempts."""
        names = sorted(path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return (name for name in names if is_attempt(name))

    def delete(self, attempt: str) -> None:
        """As ports.LogStore.delete."""
        with contextlib.suppress(FileNotFoundError):
            self._file(attempt).unlink()

    def _file(self, attempt: str) -> Path:
        return self._folder / f"{checked(attempt)}{_SUFFIX}"
