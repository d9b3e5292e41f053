"""A database file, ready for this version: made when it is new, upgraded when it is old, refused when it is newer.

Alembic is imported only where there is something to upgrade; a look at its version table is enough to know.
"""

import os
import sqlite3
from pathlib import Path

from penstock.ports import StoreError
from penstock.store.revision import Standing, standing
from penstock.store.schema import HEAD, create_statements

CACHE_KB = 8192
"""Pages that a connection keeps, at most: four times SQLite's own, so that a group of writes does not write pages twice."""
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def connect(path: Path) -> sqlite3.Connection:
    """One connection, without a transaction of its own accord, usable by one thread after another.

    Raises StoreError.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        # FULL: a commit is on disk before it is answered, not only in the kernel's cache.
        connection.execute("PRAGMA synchronous = FULL")
        # What a savepoint may have to put back is kept in a temporary file otherwise, made anew in most transactions.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return connection
    except sqlite3.Error as wrong:
        if connection is not None:
            connection.close()
        raise StoreError(f"{path}: {wrong}") from wrong


def prepare(path: Path) -> None:
    """Make the file, or bring it to HEAD. Raises StoreError for a file that is not ours or is too new."""
    _make_file(path)
    connection = connect(path)
    try:
        found = standing(connection.execute, TABLES, str(path))
        _write_ahead(connection, path)
        if found is Standing.EMPTY:
            _create(connection)
            _sync_folder(path.parent)
    except sqlite3.Error as wrong:
        raise StoreError(f"{path}: {wrong}") from wrong
    finally:
        connection.close()
    if found is Standing.OLD:
        _migrate(path)


def refuse_unless_current(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError for a database that this release could not use as it is."""
    found = standing(connection.execute, TABLES, str(path))
    if found is not Standing.USABLE:
        raise StoreError(f"{path} is {found}, not of schema {HEAD}: run penstock migrate first")


def _make_file(path: Path) -> None:
    """An empty file that only we can read; SQLite gives its companions the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _create(connection: sqlite3.Connection) -> None:
    """All in one transaction: whoever is killed here leaves an empty database behind."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in create_statements():
        connection.execute(statement)
    connection.execute("COMMIT")


def _write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Readers beside the writer need a log and shared memory, which network file systems do not have."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path} must lie on a local disk: this file system cannot keep a write-ahead log")


def _migrate(path: Path) -> None:
    """Run the migrations that are missing, in one transaction."""
    from penstock.store.migrations import upgrade

    upgrade(path)


def _sync_folder(folder: Path) -> None:
    """The new file's name is durable only with its folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
