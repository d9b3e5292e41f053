"""A database file, ready for this version: made when it is new, upgraded when it is old, refused when it is newer.

Alembic is imported only where there is something to upgrade; a look at its version table is enough to know.
"""

import os
import sqlite3
from pathlib import Path

from penstock.ports import StoreError
from penstock.store.schema import HEAD, create_statements


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
        revision = _revision(connection)
        old = revision not in ("", HEAD) and not _made_for_us(connection)
        if old:
            _check_known(path, revision)
        _write_ahead(connection, path)
        if revision == "":
            _create(connection)
            _sync_folder(path.parent)
    except sqlite3.Error as wrong:
        raise StoreError(f"{path}: {wrong}") from wrong
    finally:
        connection.close()
    if old:
        _migrate(path)


def refuse_unless_current(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError for a database that this release could not use as it is."""
    revision = _revision(connection)
    if revision != HEAD and not _made_for_us(connection):
        raise StoreError(f"{path} has schema {revision or 'none'}, not {HEAD}: run penstock migrate first")


def _make_file(path: Path) -> None:
    """An empty file that only we can read; SQLite gives its companions the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _revision(connection: sqlite3.Connection) -> str:
    """The schema's revision, "" for an empty database. Raises StoreError for somebody else's database."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return ""
    found = (
        connection.execute("SELECT version_num FROM alembic_version") if "alembic_version" in tables else ()
    )
    for (revision,) in found:
        return str(revision)
    raise StoreError("there is a database, but not one of Penstock: name another file")


def _made_for_us(connection: sqlite3.Connection) -> bool:
    """True for a newer database that says that this release can work with it, too."""
    if not list(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'penstock_schema'")):
        return False
    newer = connection.execute("SELECT 1 FROM alembic_version WHERE version_num > ?", (HEAD,)).fetchone()
    meant = connection.execute("SELECT 1 FROM penstock_schema WHERE oldest <= ?", (HEAD,)).fetchone()
    return bool(newer and meant)


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


def _check_known(path: Path, revision: str) -> None:
    """Refuse what this version does not know, before anything is touched."""
    from penstock.store.migrations import known

    if not known(revision):
        raise StoreError(
            f"{path} was written by a newer Penstock (schema {revision}, this one knows up to {HEAD}): "
            "run that version, or restore a backup"
        )


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
