"""One session of PostgreSQL at the level of libpq: statements prepared once, several of them in one round trip.

psycopg makes the connection; its cursors are not used. They wait for each answer in Python, which costs more than
PostgreSQL does (measured: decision 0050), and cannot send a statement together with those before it so cheaply.
"""

import select
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from penstock.ports import StoreError

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
"""What each of our sessions sets for itself, so that a hub that stalls does not hold the farm up."""
DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
_LOAD: dict[int, Callable[[bytes], Any]] = {20: int, 23: int, 701: float}
"""How values of a type (by its number in pg_type) are read; all others are text."""
Statement = tuple[str, "Sequence[bytes | None]"]


class Refused(Exception):
    """The server refused a statement, or is gone: `lost`. `sqlstate` is its reason, "" when there was no answer."""

    def __init__(self, message: str, sqlstate: str = "", lost: bool = False) -> None:
        super().__init__(" ".join(message.split()))
        self.sqlstate, self.lost = sqlstate, lost


def connect(url: str) -> psycopg.Connection:
    """One connection that begins no transaction by itself. Raises psycopg.Error, StoreError for a bad address."""
    told = make_conninfo("", **{**CONNECT, **_read(url)})
    connection = psycopg.connect(told, autocommit=True)
    try:
        settings = "; ".join(f"SET {name} = '{value}'" for name, value in SETTINGS.items())
        connection.execute(f"{settings}; {DURABLE}")
    except BaseException:
        connection.close()
        raise
    return connection


def describe(url: str) -> str:
    """The database at `url` for people, without the password. Raises StoreError for a bad address."""
    told = _read(url)
    return f"database {told.get('dbname', '')!r} on {told.get('host', 'this machine')}"


def _read(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError as wrong:
        raise StoreError(f"the address of the database cannot be read: {str(wrong).strip()}") from None


def bound(values: Sequence[Any]) -> "list[bytes | None]":
    """Values as PostgreSQL reads them. Raises TypeError, OverflowError, UnicodeEncodeError, ValueError (a NUL)."""
    return [_bound(value) for value in values]


def _bound(value: Any) -> bytes | None:
    if isinstance(value, str):
        text = value.encode()
        if b"\0" in text:
            raise ValueError("text holds a NUL")
        return text
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OverflowError(f"{value} does not fit into 64 bits")
        return b"%d" % value
    if isinstance(value, float):
        return repr(value).encode()
    if value is None:
        return None
    raise TypeError(f"{type(value).__name__} cannot be stored")


class Session:
    """A connection to `url`. All raise Refused; made, it raises psycopg.Error and StoreError."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)
        self._pq = self._connection.pgconn
        # psycopg waits for its sockets itself; here libpq does.
        self._pq.nonblocking = 0
        self._names: dict[str, bytes] = {}
        self._loads: dict[str, list[Callable[[bytes], Any]]] = {}
        self._unread = False
        self._ready = select.poll()
        self._ready.register(self._pq.socket, select.POLLIN)

    @property
    def lost(self) -> bool:
        """True when the server is known to be gone."""
        return self._pq.status != ConnStatus.OK

    @property
    def open(self) -> bool:
        """True while a transaction may be open."""
        return not self._unread and self._pq.transaction_status != TransactionStatus.IDLE

    def quiet(self) -> bool:
        """Between transactions: False when the server is gone, as far as that can be known without asking it."""
        try:
            self._read_rest()
            if self._ready.poll(0):
                self._pq.consume_input()
        except psycopg.Error:
            return False
        return not self.lost

    def run(self, statements: Sequence[Statement]) -> list[PGresult]:
        """Run statements in one round trip; the first that fails ends it."""
        self._read_rest()
        named = [(self._name(sql), values) for sql, values in statements]
        try:
            if len(named) == 1:
                ((name, values),) = named
                return [self._checked(self._pq.exec_prepared(name, values))]  # type: ignore[arg-type]
            return [self._checked(result) for result in self._together(named)]
        except psycopg.Error as wrong:
            raise Refused(str(wrong), lost=self.lost) from wrong

    def leave(self, sql: str) -> None:
        """Send a statement and do not wait for its answer, which is of no interest."""
        self._read_rest()
        try:
            self._pq.send_query(sql.encode())
        except psycopg.Error:
            return
        self._unread = True

    def load(self, sql: str, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result of this statement."""
        loads = self._loads.get(sql)
        if loads is None:
            kinds = [result.ftype(column) for column in range(result.nfields)]
            loads = self._loads[sql] = [_LOAD.get(kind, bytes.decode) for kind in kinds]
        columns, value = list(enumerate(loads)), result.get_value
        return [
            tuple(None if (found := value(row, at)) is None else load(found) for at, load in columns)
            for row in range(result.ntuples)
        ]

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _name(self, sql: str) -> bytes:
        """The name under which a statement is prepared."""
        name = self._names.get(sql)
        if name is None:
            name = b"s%d" % len(self._names)
            self._checked(self._pq.prepare(name, sql.encode()))
            self._names[sql] = name
        return name

    def _together(self, named: "list[tuple[bytes, Sequence[bytes | None]]]") -> list[PGresult]:
        """Send all, then read all. Only few and short ones: nothing is read while there is more to send."""
        self._pq.enter_pipeline_mode()
        for name, values in named:
            self._pq.send_query_prepared(name, values)
        self._pq.pipeline_sync()
        results = []
        while True:
            result = self._next_result()
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                break
            if result is not None:
                results.append(result)
            if self.lost:
                self._checked(result)
                raise Refused("the connection is lost", lost=True)
        self._pq.exit_pipeline_mode()
        return results

    def _checked(self, result: PGresult | None) -> PGresult:
        if result is not None and result.status in _GOOD:
            return result
        state = result.error_field(DiagnosticField.SQLSTATE) if result else None
        message = (result.error_message if result else self._pq.error_message) or b"no answer"
        raise Refused(message.decode(errors="replace"), (state or b"").decode(), lost=self.lost)

    def _read_rest(self) -> None:
        """Read what `leave` left."""
        if self._unread:
            while self._next_result() is not None:
                pass
            self._unread = False

    def _next_result(self) -> PGresult | None:
        """The next answer, None after the last one of a statement. libpq would wait for it with Python's lock held."""
        while self._pq.is_busy():
            self._ready.poll()
            self._pq.consume_input()
        return self._pq.get_result()
