"""The connection that writes to PostgreSQL, and what became of a COMMIT whose answer was lost.

Each transaction that changed something writes its own random name into the row of its writer, in the same round
trip as COMMIT. When the answer is lost, the row tells: it is locked on a new connection, which waits for the old
session's end, and if it does not hold the name, it is changed, so that the old transaction can never commit. The
number of the transaction would not do: after a crash PostgreSQL gives numbers again that were not on disk.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from penstock.ports import StoreError
from penstock.store.link import Broken
from penstock.store.postgreslink import WRITING, PostgresLink
from penstock.store.postgressession import bound, connect

_REMEMBER = (
    "INSERT INTO penstock_writer VALUES ($1, $2, now()) "
    "ON CONFLICT (id) DO UPDATE SET last = excluded.last, at = excluded.at"
)
_BESIDE = "LOCK TABLE penstock_writer IN ROW EXCLUSIVE MODE"
_ALONE = "LOCK TABLE penstock_writer IN EXCLUSIVE MODE"
"""Before the first statement that reads: what a transaction sees is fixed there, and LOCK itself fixes nothing."""
ASK_S = 1.0
"""The pause between two tries to learn what became of a COMMIT."""


class Writing(PostgresLink):
    """A link whose `commit` knows whether it was kept, however long the database is away.

    `waiting` is told why whenever it is found to be away; `close` in the meantime ends the wait, and only then it
    cannot be known.
    """

    def __init__(self, url: str, pause: Callable[[float], None]) -> None:
        super().__init__(url, WRITING, pause)
        self.waiting: Callable[[BaseException], None] = lambda _wrong: None
        self._writer = uuid.uuid4().hex
        self._closing = threading.Event()
        self._changed = False

    def begin(self, alone: bool = False) -> None:
        """As Link.begin."""
        self._changed = False
        super().begin()
        self._ahead.append(((_ALONE if alone else _BESIDE, ()), False))

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """As Link.change."""
        self._changed = True
        return super().change(sql, values)

    def later(self, sql: str, values: Sequence[Any], sure: bool) -> None:
        """As Link.later."""
        self._changed = True
        super().later(sql, values, sure)

    def commit(self) -> None:
        """As Link.commit. Raises Broken when nothing was kept, StoreError when that cannot be known."""
        if not self._changed:
            super().commit()
            return
        name = uuid.uuid4().hex
        if any(one_row for _, one_row in self._ahead) or self._is_unsent():
            # A row that is not what it was must not be committed; and where the network holds up a whole
            # transaction, it would begin when it arrives, after it was asked about, and be kept.
            self._send()
        try:
            self._send((_REMEMBER, bound((self._writer, name))), ("COMMIT", ()))
        except Broken as wrong:
            if self._session is not None and not self._session.lost:
                raise
            if not self._was_kept(name, wrong):
                raise

    def give_up(self) -> None:
        """Wait no longer for a database that is away."""
        self._closing.set()

    def _was_kept(self, name: str, wrong: Broken) -> bool:
        """Whether the transaction of this name was kept; once this is answered it stays true."""
        self.close()
        while True:
            try:
                return self._settled() == name
            except psycopg.Error as away:
                if self._closing.is_set():
                    raise StoreError("the database went away in a COMMIT, and may have kept it") from wrong
                self.waiting(away)
            self._closing.wait(ASK_S)

    def _settled(self) -> str:
        """The name that this writer committed last, after its old session can commit nothing more."""
        with connect(self._url) as connection:
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            # Both wait for a transaction that holds the row. Afterwards it is another row than the one that any
            # older transaction saw, and PostgreSQL refuses to let that one change it.
            connection.execute(
                "INSERT INTO penstock_writer VALUES (%s, '', now()) ON CONFLICT DO NOTHING", (self._writer,)
            )
            row = connection.execute(
                "SELECT last FROM penstock_writer WHERE id = %s FOR UPDATE", (self._writer,)
            ).fetchone()
            connection.execute("UPDATE penstock_writer SET at = now() WHERE id = %s", (self._writer,))
            connection.execute("COMMIT")
        return str(row[0]) if row else ""
