"""A PostgreSQL database, ready for this version: made when it is empty, upgraded when it is old, else refused.

Any number of hubs may start at once: who comes first makes or upgrades it, the others wait for that.
"""

import time
from collections.abc import Callable

import psycopg

from penstock.ports import StoreError
from penstock.store.postgressession import connect, describe
from penstock.store.revision import Standing, standing

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
OLDEST_SERVER = 140000
"""The first that looks after lost clients while it is busy."""
LOCK = 0x70656E73746F636B
"""The advisory lock of whoever changes the schema: "penstock" in ASCII."""
_NEEDS = {
    "server_encoding": ("UTF8", "its encoding is {}: make it with ENCODING 'UTF8'"),
    "fsync": ("on", "its server runs with fsync = {}, so what is answered can be lost: set it to on"),
    "full_page_writes": ("on", "its server runs with full_page_writes = {}: set it to on"),
}
_FORGET = "DELETE FROM penstock_writer WHERE at < now() - interval '7 days'"
MIGRATION_TRIES = 20
MIGRATION_LOCK = "2s"
"""How long a migration waits for a table, while all others wait behind it; then it lets them pass and tries again."""


def prepare(url: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Bring the database at `url` to HEAD. Raises StoreError where that cannot be, and says what to do."""
    name = describe(url)
    try:
        with connect(url) as connection:
            _check_server(connection, name)
            if _standing(connection, name) is not Standing.USABLE:
                _migrate(url, name, pause)
            connection.execute(_FORGET)
    except psycopg.Error as wrong:
        raise StoreError(f"{name}: {' '.join(str(wrong).split())}") from wrong


def _standing(connection: psycopg.Connection, name: str) -> Standing:
    return standing(lambda sql: connection.execute(sql), TABLES, name)  # type: ignore[call-overload]


def _check_server(connection: psycopg.Connection, name: str) -> None:
    """Refuse a server that forgets, or writes other letters."""
    if connection.info.server_version < OLDEST_SERVER:
        raise StoreError(f"{name}: PostgreSQL {OLDEST_SERVER // 10000} is the oldest that will do")
    for setting, (wanted, instead) in _NEEDS.items():
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
        if row and row[0] != wanted:
            raise StoreError(f"{name}: {instead.format(row[0])}")


def _migrate(url: str, name: str, pause: Callable[[float], None]) -> None:
    """Run the migrations that are missing, in one transaction, a few times where others hold its tables."""
    import sqlalchemy as sa

    from penstock.store import migrations

    def opened() -> psycopg.Connection:
        connection = connect(url)
        connection.execute("SET statement_timeout = 0; SET lock_timeout = 0; SET enable_seqscan = on")
        connection.autocommit = False
        return connection

    engine = sa.create_engine("postgresql+psycopg://", creator=opened, poolclass=sa.NullPool)
    for tries in range(MIGRATION_TRIES):
        try:
            with engine.begin() as made:
                made.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
                made.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_LOCK}'")
                if standing(made.exec_driver_sql, TABLES, name) is not Standing.USABLE:
                    migrations.upgrade_on(made)
            return
        except sa.exc.DBAPIError as wrong:
            held = getattr(wrong.orig, "sqlstate", "") in ("55P03", "40P01")
            if not held or tries + 1 == MIGRATION_TRIES:
                raise StoreError(f"{name} cannot be brought to this version: {wrong.orig}") from wrong
            pause(1.0)
