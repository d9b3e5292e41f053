"""Records of a backup as files: one compressed file of lines for each table, and one that says it is whole.

records/<table>.jsonl.gz    a record a line
backup.json                 written last: what it is, and the digest of each file
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock.ports import StoreError
from penstock.store.durable import sync_folder, write_over

SEAL = "backup.json"


class TableFiles:
    """As ports.Tables, in `folder`, which is made when something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, table: str, lines: Iterable[bytes]) -> int:
        """As ports.Tables.write; durable when it returns."""
        path = self._file(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as raw:
                # Without name and time, so that equal records are equal files.
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    for line in lines:
                        packed.write(line + b"\n")
                        count += 1
                raw.flush()
                os.fsync(raw.fileno())
        except OSError as wrong:
            raise StoreError(f"{path}: {wrong.strerror}") from wrong
        return count

    def read(self, table: str) -> Iterator[bytes]:
        """As ports.Tables.read; the file is digested first."""
        path = self._file(table)
        expected = self._seal()["files"].get(table)
        try:
            if _digest(path) != expected:
                raise StoreError(f"the backup is damaged: {path.name} is not what was written")
            with gzip.open(path, "rb") as packed:
                for line in packed:
                    yield line.rstrip(b"\n")
        except (OSError, EOFError) as wrong:
            raise StoreError(f"the backup is damaged: {path.name}: {wrong}") from wrong

    def seal(self, about: bytes) -> None:
        """As ports.Tables.seal."""
        files = {path.name.partition(".")[0]: _digest(path) for path in self._records().iterdir()}
        document = json.dumps({"about": json.loads(about), "files": files}, indent=1)
        sync_folder(self._records())
        write_over(self._folder / SEAL, document.encode())

    def about(self) -> bytes:
        """As ports.Tables.about."""
        return json.dumps(self._seal()["about"]).encode()

    def _seal(self) -> dict[str, Any]:
        path = self._folder / SEAL
        try:
            found = json.loads(path.read_text())
        except FileNotFoundError:
            raise StoreError(
                f"{self._folder} is no backup, or one that was broken off: it has no {SEAL}"
            ) from None
        except (OSError, ValueError) as wrong:
            raise StoreError(f"the backup is damaged: {path.name}: {wrong}") from wrong
        if not isinstance(found, dict) or not isinstance(found.get("files"), dict) or "about" not in found:
            raise StoreError(f"the backup is damaged: {path.name} is not what was written")
        return found

    def _records(self) -> Path:
        return self._folder / "records"

    def _file(self, table: str) -> Path:
        if not table.isidentifier():
            raise ValueError(f"not the name of a table: {table!r}")
        return self._records() / f"{table}.jsonl.gz"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
