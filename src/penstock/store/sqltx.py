"""One transaction on a connection to a database. Who begins and ends it is the writer's or the reader's business."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from penstock.ports import Duplicate, Stale, StoreError
from penstock.store.link import Broken, Link, Violation
from penstock.store.shapes import check_key, check_question, check_sums, numbered, order_fields, runs
from penstock.store.statements import NO_LIMIT, Statements, statements

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class SqlTx:
    """As ports.Tx. `lost` is what broke the transaction: from then on every call is refused.

    Without that an operation that swallows the error would write on outside any transaction. `wrote`: it changed
    something. Unless it is `careful`, it does not wait for answers: what is Stale or Duplicate then breaks the
    transaction, and the operation is to be run again, carefully, to be told so.
    """

    def __init__(self, link: Link, writes: bool, careful: bool = False) -> None:
        self.lost: Broken | None = None
        self.wrote = False
        self._link = link
        self._writes = writes
        self._careful = careful
        self._seen: dict[tuple[Any, ...], Any] = {}

    def get(self, kind: type[R], *key: Any) -> R | None:
        """As ports.Tx.get."""
        how = statements(kind, self._link.dialect)
        check_key(how.shape, key)
        return cast("R | None", self._first(how, how.searched(how.shape.key, key)))

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
        how = statements(kind, self._link.dialect)
        check_question(how.shape, index, values, limit, after)
        asked = how.find(index, len(values), len(after), backwards)
        bound = how.searched(order_fields(how.shape, index), (*values, *after))
        rows = self._run(self._link.rows, asked, [*bound, NO_LIMIT if limit is None else limit])
        return [self._noted(how, how.codec.record(row)) for row in rows]

    def added(
        self, kind: type[msgspec.Struct], by: tuple[str, ...], of: tuple[str, ...], first: int, end: int
    ) -> list[tuple[Any, ...]]:
        """As ports.Tx.added."""
        how = statements(kind, self._link.dialect)
        check_sums(kind, by, of)
        rows = self._run(self._link.rows, how.added(by, of), [first, end])
        return sorted(how.read_out(by, row) for row in rows)

    def insert(self, record: msgspec.Struct) -> None:
        """As ports.Tx.insert."""
        how = self._writing(record)
        values = how.insertion(how.codec.row(record))
        if how.shape.numbered or not self._careful:
            self._later(how.insert, values, sure=True)
            return
        if not self._change(how, record, how.careful_insert, values):
            raise self._duplicate(how, record, inserts=True) or StoreError(f"{how.shape.table}: not inserted")

    def replace(self, record: msgspec.Struct) -> None:
        """As ports.Tx.replace."""
        how = self._writing(record)
        if not self._careful:
            self._later(*self._replacing(how, record))
        elif not self._change(how, record, *self._replacing(how, record)):
            raise self._stale(how, record) or self._duplicate(how, record) or StoreError("not replaced")

    def append(self, records: Sequence[msgspec.Struct]) -> None:
        """As ports.Tx.append."""
        if not records:
            return
        numbered(records)
        how = self._writing(records[0])
        rows = [how.insertion(how.codec.row(record)) for record in records]
        for at in range(0, len(rows), self._link.dialect.rows):
            together = rows[at : at + self._link.dialect.rows]
            values = together[0] if len(together) == 1 else [value for row in together for value in row]
            self._later(how.inserting(len(together)), values, sure=True)

    def place(self, records: Sequence[Any], field: str, first: int) -> None:
        """As ports.Tx.place."""
        if not records:
            return
        numbered(records)
        how = self._writing(records[0])
        for run in runs(records, how.shape.key[0]):
            values = how.placement(run, first)
            if self._run(self._link.change, how.placing(field), values) != len(run):
                raise Stale(f"{how.shape.table}: one of {len(run)} is not as it was read")
            self.wrote = True
            first += len(run)
        for record in records:
            self._seen.pop(how.name(record), None)

    def delete(self, record: msgspec.Struct) -> None:
        """As ports.Tx.delete."""
        how = self._writing(record)
        values = how.versioned_key(how.codec.row(record))
        if not self._careful:
            self._later(how.delete, values)
        elif not self._change(how, record, how.delete, values):
            raise self._stale(how, record) or StoreError("not deleted")

    def _replacing(self, how: Statements, record: msgspec.Struct) -> tuple[str, list[Any]]:
        """What writes a record over the stored one: only what is not as it was read here, if it was."""
        before = self._seen.pop(how.name(record), None)
        if self._careful and self._link.dialect.silent:
            return how.careful_replace, how.careful_replacement(how.codec.row(record))
        if before is None or before.version != record.version:  # type: ignore[attr-defined]
            return how.replace, how.replacement(how.codec.row(record))
        changes = how.codec.changes(before, record)
        return how.update(tuple(changes)), how.updating(changes, record)

    def _later(self, sql: str, values: list[Any], sure: bool = False) -> None:
        """Run a writing statement without waiting for its answer."""
        self._run(lambda sql, values: self._link.later(sql, values, sure), sql, values)
        self.wrote = True

    def _writing(self, record: msgspec.Struct) -> Statements:
        if not self._writes:
            raise TypeError("this transaction only reads")
        return statements(type(record), self._link.dialect)

    def _change(self, how: Statements, record: msgspec.Struct, sql: str, values: list[Any]) -> bool:
        """Run one writing statement; True when it changed a row. A refused one is undone alone. Raises Duplicate."""
        try:
            changed = self._run(self._link.change, sql, values)
        except Violation as wrong:
            raise self._duplicate(how, record, inserts=sql is how.careful_insert) or StoreError(
                str(wrong)
            ) from wrong
        self.wrote = self.wrote or bool(changed)
        return bool(changed)

    def _stale(self, how: Statements, record: msgspec.Struct) -> Stale | None:
        """Why a row could not be changed: it has another version, or is gone. None when it is as it should be."""
        row = how.codec.row(record)
        key, version = how.key_of(row), how.version_of(row)
        found = self._first(how, key)
        if found is not None and found.version == version:
            return None
        return Stale(f"{how.shape.table} {key!r} is not at version {version} any more")

    def _duplicate(self, how: Statements, record: msgspec.Struct, inserts: bool = False) -> Duplicate | None:
        """Which constraint forbids it: the key, else the first of the shape. Asked only after a refusal."""
        row = how.codec.row(record)
        if inserts and not how.shape.numbered and self._first(how, how.key_of(row)) is not None:
            return Duplicate("key")
        for name, clash in how.clashes.items():
            if next(iter(self._run(self._link.rows, clash, how.clash_values(name, row))), None):
                return Duplicate(name)
        return None

    def _first(self, how: Statements, key: Sequence[Any]) -> Any:
        """The record with this key as it is stored, or None."""
        rows: Iterable[Sequence[Any]] = self._run(self._link.rows, how.get, key)
        row = next(iter(rows), None)
        return None if row is None else self._noted(how, how.codec.record(row))

    def _noted(self, how: Statements, record: Any) -> Any:
        """A record that was read, remembered where it may be written over."""
        if self._writes:
            self._seen[how.name(record)] = record
        return record

    def _run(self, call: Callable[[str, Sequence[Any]], T], sql: str, values: Sequence[Any]) -> T:
        """Run one statement. Raises StoreError, then and ever after, when it broke the transaction."""
        if self.lost is not None:
            raise StoreError(str(self.lost))
        try:
            return call(sql, values)
        except Broken as lost:
            self.lost = lost
            raise
