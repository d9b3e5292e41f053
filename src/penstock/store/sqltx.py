"""One transaction on a SQLite connection. Who begins and ends it is the writer's or the reader's business."""

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec

from penstock.ports import Duplicate, Stale, StoreError
from penstock.store.shapes import check_key, check_question
from penstock.store.statements import Statements, statements

R = TypeVar("R", bound=msgspec.Struct)
_OURS = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""A value that cannot be bound: wrong in one operation, harmless to the transaction."""


class SqlTx:
    """As ports.Tx. `lost` is what broke the transaction: from then on every call is refused.

    Without that an operation that swallows the error would write on outside any transaction.
    """

    def __init__(self, connection: sqlite3.Connection, writes: bool) -> None:
        self.lost: sqlite3.Error | None = None
        self._connection = connection
        self._writes = writes

    def get(self, kind: type[R], *key: Any) -> R | None:
        """As ports.Tx.get."""
        how = statements(kind)
        check_key(how.shape, key)
        row = self._run(how.get, key).fetchone()
        return None if row is None else cast(R, how.codec.record(row))

    def find(
        self,
        kind: type[R],
        index: str,
        *values: Any,
        limit: int | None = None,
        after: tuple[Any, ...] = (),
        backwards: bool = False,
    ) -> list[R]:
        """As ports.Tx.find."""
        how = statements(kind)
        check_question(how.shape, index, values, limit, after)
        asked = how.find(index, len(values), len(after), backwards)
        rows = self._run(asked, (*values, *after, -1 if limit is None else limit))
        return [how.codec.record(row) for row in rows]

    def insert(self, record: msgspec.Struct) -> None:
        """As ports.Tx.insert."""
        how = self._writing(record)
        row = how.codec.row(record)
        if how.shape.numbered:
            row[how.at(how.shape.key[0])] = None
        self._change(how, row, how.insert, row, inserts=True)

    def replace(self, record: msgspec.Struct) -> None:
        """As ports.Tx.replace."""
        how = self._writing(record)
        row = how.codec.row(record)
        self._change(how, row, how.replace, how.replacement(row))

    def delete(self, record: msgspec.Struct) -> None:
        """As ports.Tx.delete."""
        how = self._writing(record)
        row = how.codec.row(record)
        self._change(how, row, how.delete, how.versioned_key(row))

    def _writing(self, record: msgspec.Struct) -> Statements:
        if not self._writes:
            raise TypeError("this transaction only reads")
        return statements(type(record))

    def _change(
        self, how: Statements, row: list[Any], sql: str, values: list[Any], inserts: bool = False
    ) -> None:
        """Run one writing statement; a failing one is undone by SQLite alone, the transaction goes on."""
        try:
            done = self._run(sql, values)
        except sqlite3.IntegrityError as wrong:
            raise self._duplicate(how, row, inserts) or wrong from wrong
        if done.rowcount == 0:
            raise Stale(
                f"{how.shape.table} {how.key_of(row)!r} is not at version {how.version_of(row)} any more"
            )

    def _duplicate(self, how: Statements, row: list[Any], inserts: bool) -> Duplicate | None:
        """Which constraint forbids it: the key, else the first of the shape. Asked only after a refusal."""
        if inserts and not how.shape.numbered and self._run(how.get, how.key_of(row)).fetchone():
            return Duplicate("key")
        for name, clash in how.clashes.items():
            if self._run(clash, how.clash_values(name, row)).fetchone():
                return Duplicate(name)
        return None

    def _run(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        """Run one statement. Raises StoreError, then and ever after, when it broke the transaction."""
        if self.lost is not None:
            raise StoreError(f"the transaction is lost: {self.lost}")
        try:
            return self._connection.execute(sql, values)
        except (sqlite3.IntegrityError, *_OURS):
            raise
        except sqlite3.Error as wrong:
            self.lost = wrong
            raise StoreError(f"the transaction is lost: {wrong}") from wrong
