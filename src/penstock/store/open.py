"""Stores by address, as farm.toml names them."""

from pathlib import Path

from penstock.ports import Store, StoreError
from penstock.store.memory import MemoryStore

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")


def open_store(url: str, folder: Path) -> Store:
    """Open the store at `url`; paths are relative to `folder`.

    "sqlite:///penstock.db" is relative, four slashes are absolute, "memory:" keeps nothing, "postgresql://..." is libpq's. Raises StoreError for
    other addresses, and as the store itself does.
    """
    if url == "memory:":
        return MemoryStore()
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        # Not before it is needed: the simulator runs on memory alone.
        from penstock.store.sql import SqliteStore

        return SqliteStore(folder / url.removeprefix(SQLITE))
    if url.startswith(POSTGRES):
        return _open_postgres(url)
    raise StoreError(
        f"no store is known for {url.partition('//')[0]!r}: write sqlite:///FILE (relative), sqlite:////FILE (absolute) "
        "or postgresql://USER@HOST/DATABASE"
    )


def _open_postgres(url: str) -> Store:
    try:
        from penstock.store.postgres import PostgresStore
    except ImportError as missing:
        raise StoreError(
            f"PostgreSQL needs {missing.name}, which is not installed: install penstock[postgresql]"
        ) from missing
    return PostgresStore(url)


def open_reading(url: str, folder: Path) -> Store:
    """As `open_store`, only to read: another process may have the folder of a SQLite database meanwhile."""
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        from penstock.store.reading import SqliteReader

        return SqliteReader(folder / url.removeprefix(SQLITE))
    return open_store(url, folder)
