"""A connection to SQLite as the writer and transactions see it."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.store.link import Broken, Violation
from penstock.store.statements import SQLITE

_OURS = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""A value that cannot be bound: wrong in one operation, harmless to the transaction."""


class SqliteLink:
    """As link.Link. `begin` is how transactions begin: IMMEDIATE where they are to write."""

    dialect = SQLITE
    most = 128
    careful = True

    def __init__(self, connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> None:
        self.connection = connection
        self._begin = begin
        self._marked = False

    def begin(self, alone: bool = False) -> None:
        """As Link.begin; who writes is always alone."""
        self._marked = False
        try:
            self.connection.execute(self._begin)
        except sqlite3.Error as wrong:
            # Somebody else holds the database: to try again for each would make all wait in turn.
            raise Broken(wrong, everybody=True) from wrong

    def mark(self) -> None:
        """As Link.mark."""
        if self._marked:
            self._execute("RELEASE one", ())
        self._execute("SAVEPOINT one", ())
        self._marked = True

    def undo(self) -> None:
        """As Link.undo."""
        self._execute("ROLLBACK TO one", ())

    def commit(self) -> None:
        """As Link.commit."""
        self._execute("COMMIT", ())

    def abandon(self) -> None:
        """As Link.abandon."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def rows(self, sql: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """As Link.rows."""
        try:
            return self._execute(sql, values).fetchall()
        except sqlite3.OperationalError as wrong:
            raise Broken(wrong) from wrong

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """As Link.change."""
        try:
            return self._execute(sql, values).rowcount
        except sqlite3.IntegrityError as wrong:
            raise Violation(str(wrong)) from wrong

    def later(self, sql: str, values: Sequence[Any], sure: bool) -> None:
        """As Link.later."""
        self.change(sql, values)

    def close(self) -> None:
        """As Link.close."""
        self.connection.close()

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, values)
        except (sqlite3.IntegrityError, *_OURS):
            raise
        except sqlite3.Error as wrong:
            raise Broken(wrong) from wrong
