"""Connections to PostgreSQL: how they are made, what they may not do to others, and what their errors mean.

A hub that stalls in the middle of a transaction must not hold the farm up, and one that is gone must be noticed:
the limits below end its transaction, its waits and, where nobody answers any more, its connection.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from penstock.ports import StoreError
from penstock.store.link import Broken
from penstock.store.statements import POSTGRES

CONNECT = {
    "application_name": "penstock",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""What libpq is told, where the address does not say otherwise: a dead server is noticed within half a minute."""
SETTINGS = {
    "client_encoding": "utf-8",
    "statement_timeout": "30s",
    # Longer than the next: who waits for a hub that stalled outlasts it.
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "10s",
    "client_connection_check_interval": "5s",
    # The server's half of the above, where it is reached by TCP.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Every search has an index of its own in the right order: nothing else is ever better, statistics or not.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""What each of our sessions sets for itself."""
WRITING = "BEGIN ISOLATION LEVEL SERIALIZABLE"
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
PAUSES_S = (0, 0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 10)
"""Between the tries to connect: long enough for a server that starts again."""
_AGAIN = {
    "40001",  # met another transaction, which won
    "40P01",  # waited for another one that waited for this one
    "57P01",  # the server ends this session: it stops, or an operator asked for it
    "57P02",  # a session crashed, and all go
    "25P03",  # idle for too long: this process stalled
}
_TAKEN = "23505"
"""A unique constraint, found by the server itself: only where an update breaks one, or somebody was quicker."""
_HELD = "55P03"
"""A lock was not to be had in time."""


def connect(url: str) -> psycopg.Connection:
    """One connection that begins no transaction by itself. Raises psycopg.Error, StoreError for a bad address."""
    try:
        told = make_conninfo("", **{**CONNECT, **conninfo_to_dict(url)})  # type: ignore[arg-type]
    except psycopg.ProgrammingError as wrong:
        raise StoreError(f"the address of the database cannot be read: {str(wrong).strip()}") from None
    connection = psycopg.connect(told, autocommit=True)
    try:
        connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in SETTINGS.items()))
        connection.prepared_max = 1000
        # One type for all numbers, one for all text: else each mixture would be a prepared statement of its own.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(str, StrDumper)
    except BaseException:
        connection.close()
        raise
    return connection


class PostgresLink:
    """As link.Link. `begin_sql` is how its transactions begin.

    `pauses` are the seconds between tries to connect, waited by `pause`; after the last one it is refused, and
    from then on at once until the database is back.
    """

    dialect = POSTGRES
    most = 60  # above 64 subtransactions PostgreSQL looks into a table on disk for each row's
    careful = False

    def __init__(
        self,
        url: str,
        begin_sql: str,
        pause: Callable[[float], None],
        pauses: Sequence[float] = PAUSES_S,
    ) -> None:
        self._url = url
        self._begin = begin_sql
        self._pause = pause
        self._pauses = pauses
        self._away = False
        self._marked = False
        self._connection: psycopg.Connection | None = None

    def begin(self) -> None:
        """As Link.begin."""
        self._marked = False
        wrong: Exception | None = None
        for pause_s in (0,) if self._away else self._pauses:
            try:
                self._execute(self._begin)
                self._away = False
                return
            except (psycopg.OperationalError, psycopg.InterfaceError) as found:
                wrong = found
                self.close()
                self._pause(pause_s)
        self._away = True
        raise Broken(f"no database: {_line(wrong)}", everybody=True) from wrong

    def mark(self) -> None:
        """As Link.mark; the old mark goes in the same round trip."""
        self.tell("RELEASE one; SAVEPOINT one" if self._marked else "SAVEPOINT one")
        self._marked = True

    def undo(self) -> None:
        """As Link.undo."""
        self.tell("ROLLBACK TO one")

    def commit(self) -> None:
        """As Link.commit."""
        self.tell("COMMIT")

    def abandon(self) -> None:
        """As Link.abandon."""
        if self._connection is None:
            return
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            try:
                self._execute("ROLLBACK")
            except psycopg.Error:
                self.close()

    def rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """As Link.rows."""
        with self._meaning():
            return self._prepared(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """As Link.change; what a constraint forbids changes no row, or breaks the transaction."""
        with self._meaning():
            return self._prepared(sql, values).rowcount

    def tell(self, sql: str) -> None:
        """Run statements without values, in one round trip."""
        with self._meaning():
            self._execute(sql)

    def close(self) -> None:
        """As Link.close."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _prepared(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        assert self._connection is not None
        cursor = psycopg.RawCursor(self._connection)
        return cursor.execute(sql, values, prepare=True)  # type: ignore[arg-type]

    def _execute(self, sql: str) -> None:
        if self._connection is None:
            self._connection = connect(self._url)
        # Several statements in one text cannot be prepared.
        self._connection.execute(sql, prepare=False)  # type: ignore[call-overload]

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        """Turn what breaks the transaction into Broken; what the server never saw goes on as it is."""
        try:
            yield
        except psycopg.Error as wrong:
            assert self._connection is not None
            status = self._connection.info.transaction_status
            if status is TransactionStatus.INTRANS:
                raise
            lost = status is TransactionStatus.UNKNOWN or self._connection.closed
            again = bool(lost) or wrong.sqlstate in _AGAIN or wrong.sqlstate == _TAKEN
            raise Broken(
                _line(wrong), again, careful=wrong.sqlstate == _TAKEN, everybody=wrong.sqlstate == _HELD
            ) from wrong


def _line(wrong: Exception | None) -> str:
    """What went wrong in one line."""
    return " ".join(str(wrong).split())
