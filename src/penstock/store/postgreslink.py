"""A connection to PostgreSQL as the writer and transactions see it, and what its errors mean to them."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult

from penstock.store.link import Broken
from penstock.store.postgressession import Refused, Session, Statement, bound
from penstock.store.statements import POSTGRES

READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITING = "BEGIN ISOLATION LEVEL SERIALIZABLE"
PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 10)
"""Between the tries to connect: long enough for a server that starts again."""
TOGETHER = 100
"""Statements that wait to be sent with the next one, at most."""
_MET = {
    "40001",  # met another transaction, which won
    "40P01",  # waited for another one that waited for this one
}
_ENDED = {
    "57P01",  # the server ends this session: it stops, or an operator asked for it
    "57P02",  # a session crashed, and all go
    "25P03",  # idle for too long: this process stalled
}
_TAKEN = "23505"
"""A unique constraint forbids it."""
_HELD = "55P03"
"""A lock was not to be had in time."""


class PostgresLink:
    """As link.Link. `begin_sql` is how its transactions begin.

    Statements whose answers nobody waits for are sent with the next one that is waited for: a round trip costs as
    much as several statements. `pauses_s` are between the tries to connect, waited by `pause`; after the last one
    it is refused, and from then on at once until the database is back.
    """

    dialect = POSTGRES
    most = 60  # with more than 64 subtransactions PostgreSQL looks their rows up on disk
    careful = False

    def __init__(
        self,
        url: str,
        begin_sql: str,
        pause: Callable[[float], None],
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._url = url
        self._begin = begin_sql
        self._pause = pause
        self._pauses_s = pauses_s
        self._away = False
        self._marked = False
        self._ahead: list[tuple[Statement, bool]] = []
        self._session: Session | None = None

    def begin(self, alone: bool = False) -> None:
        """As Link.begin, for transactions that read."""
        self._marked = False
        self._connect()
        self._ahead = [((self._begin, ()), False)]

    def mark(self) -> None:
        """As Link.mark."""
        if self._marked:
            self._ahead.append((("RELEASE one", ()), False))
        self._ahead.append((("SAVEPOINT one", ()), False))
        self._marked = True

    def undo(self) -> None:
        """As Link.undo."""
        self._ahead.append((("ROLLBACK TO one", ()), False))

    def commit(self) -> None:
        """As Link.commit."""
        self._send(("COMMIT", ()))

    def abandon(self) -> None:
        """As Link.abandon."""
        self._ahead = []
        if self._session is not None and self._session.open:
            self._session.leave("ROLLBACK")

    def rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """As Link.rows."""
        result = self._send((sql, bound(values)))
        assert self._session is not None
        return self._session.load(sql, result)

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """As Link.change; what a constraint forbids changes no row, or breaks the transaction."""
        return self._send((sql, bound(values))).command_tuples or 0

    def later(self, sql: str, values: Sequence[Any], sure: bool) -> None:
        """As Link.later."""
        self._ahead.append(((sql, bound(values)), not sure))
        if len(self._ahead) >= TOGETHER:
            self._send()

    def close(self) -> None:
        """As Link.close."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connect(self) -> None:
        """Have a session that is not known to be lost. Raises Broken."""
        if self._session is not None and self._session.quiet():
            return
        wrong: Exception | None = None
        for pause_s in self._pauses_s[:1] if self._away else self._pauses_s:
            self.close()
            try:
                self._session = Session(self._url)
                self._away = False
                return
            except psycopg.Error as found:
                wrong = found
            self._pause(pause_s)
        self._away = True
        raise Broken(f"no database: {' '.join(str(wrong).split())}", everybody=True) from wrong

    def _is_unsent(self) -> bool:
        """True while the server has not heard of the transaction."""
        return bool(self._ahead) and self._ahead[0][0][0] == self._begin

    def _send(self, *statements: Statement) -> PGresult:
        """Send what waits and then `statements`, in one round trip. Returns the last answer. Raises Broken."""
        assert self._session is not None
        ahead, self._ahead = self._ahead, []
        try:
            results = self._session.run([*(statement for statement, _ in ahead), *statements])
        except Refused as wrong:
            raise self._meaning(wrong) from wrong
        for (_, one_row), result in zip(ahead, results, strict=False):
            if one_row and result.command_tuples != 1:
                raise Broken("a row is not what it was", again=True, careful=True)
        return results[-1]

    def _meaning(self, wrong: Refused) -> Broken:
        state = wrong.sqlstate
        taken, met = state == _TAKEN, state in _MET
        again = wrong.lost or taken or met or state in _ENDED
        return Broken(wrong, again=again, careful=taken, met=met, everybody=state == _HELD)
