"""How the database of an address stands to this release, looked at without touching it."""

import sqlite3
from pathlib import Path

from penstock.ports import StoreError
from penstock.store.open import POSTGRES, SQLITE
from penstock.store.revision import Standing, standing
from penstock.store.schema import HEAD

SCHEMA = HEAD
"""The schema of this release."""


def standing_at(url: str, folder: Path) -> Standing:
    """EMPTY where there is nothing yet. Raises StoreError for somebody else's database, and one of a later release."""
    if url.startswith(POSTGRES):
        return _on_postgres(url)
    if not url.startswith(SQLITE):
        return Standing.USABLE  # in memory: always of this release
    return _on_sqlite(folder / url.removeprefix(SQLITE))


def _on_sqlite(path: Path) -> Standing:
    from penstock.store.upgrade import TABLES, connect

    if not path.is_file():
        return Standing.EMPTY
    connection = connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        return standing(connection.execute, TABLES, str(path))
    except sqlite3.Error as wrong:
        raise StoreError(f"{path}: {wrong}") from wrong
    finally:
        connection.close()


def _on_postgres(url: str) -> Standing:
    import psycopg

    from penstock.store.postgresschema import TABLES
    from penstock.store.postgressession import connect, describe

    try:
        with connect(url) as connection:
            return standing(lambda sql: connection.execute(sql), TABLES, describe(url))  # type: ignore[call-overload]
    except psycopg.Error as wrong:
        raise StoreError(f"{describe(url)}: {' '.join(str(wrong).split())}") from wrong
