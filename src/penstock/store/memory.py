"""The store in memory: the same contract without a disk, for the simulator and for tests.

Operations run one after another under one lock, each with an undo log, so nothing is copied. Records are
frozen, so they are kept as they are.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from operator import attrgetter, itemgetter
from threading import Lock, get_ident
from typing import Any, TypeVar, cast

import msgspec

from penstock.model.records import SHAPES, Shape
from penstock.ports import Duplicate, Stale, StoreError, Tx
from penstock.store.codec import NUL, shown, text_fields
from penstock.store.ordered import Ordered
from penstock.store.shapes import (
    check_key,
    check_question,
    check_sums,
    index_fields,
    numbered,
    order_fields,
    tuple_getter,
)

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")
Row = Any
"""A stored record: any Struct of SHAPES; all of them have a `version`."""


class _Index:
    """One index: the entries in order, and the way from a record to its entry and from an entry to its key."""

    def __init__(self, shape: Shape, name: str, rows: list[Row]) -> None:
        fields = order_fields(shape, name)
        self.searched = len(index_fields(shape, name))
        self.entry = tuple_getter(fields)
        self.key: Callable[[tuple[Any, ...]], Any] = itemgetter(*(fields.index(field) for field in shape.key))
        self.entries = Ordered([self.entry(row) for row in rows])

    def swap(self, old: Row | None, new: Row | None) -> None:
        """Follow one change of a row."""
        before = None if old is None else self.entry(old)
        after = None if new is None else self.entry(new)
        if before == after:
            return
        if before is not None:
            self.entries.remove(before)
        if after is not None:
            self.entries.add(after)


class _Unique:
    """One unique constraint: who holds which values among the rows with the flag."""

    def __init__(self, fields: tuple[str, ...], flag: str) -> None:
        self._values = tuple_getter(fields)
        self._flag = flag
        self._holders: dict[tuple[Any, ...], Any] = {}

    def _held(self, row: Row | None) -> tuple[Any, ...] | None:
        if row is None or (self._flag and not getattr(row, self._flag)):
            return None
        return self._values(row)

    def forbids(self, new: Row, key: Any) -> bool:
        """True when a row with another key holds what `new` would."""
        held = self._held(new)
        return held is not None and self._holders.get(held, key) != key

    def swap(self, old: Row | None, new: Row | None, key: Any) -> None:
        """Follow one change of the row with this key."""
        before, after = self._held(old), self._held(new)
        if before == after:
            return
        if before is not None:
            del self._holders[before]
        if after is not None:
            self._holders[after] = key


class _Table:
    """Rows by key with what is needed to find them. An index is built when it is first asked for."""

    def __init__(self, kind: type[msgspec.Struct], shape: Shape) -> None:
        self.shape = shape
        self._texts = text_fields(kind)
        self.key: Callable[[Row], Any] = attrgetter(*shape.key)
        self.rows: dict[Any, Row] = {}
        self.last_number = 0
        self._indexes: dict[str, _Index] = {}
        self._uniques = {name: _Unique(*constraint) for name, constraint in shape.unique.items()}

    def readable(self, row: Row) -> Row:
        """The row as every store keeps it: without NUL in its text. Raises UnicodeEncodeError for what is no text."""
        odd = {}
        for field in self._texts:
            value = getattr(row, field)
            if value and not value.isascii():
                value.encode()
            if value and NUL in value:
                odd[field] = shown(value)
        return msgspec.structs.replace(row, **odd) if odd else row

    def check(self, row: Row) -> None:
        """Raise Duplicate when a unique constraint forbids `row` beside the others."""
        key = self.key(row)
        for name, unique in self._uniques.items():
            if unique.forbids(row, key):
                raise Duplicate(name)

    def swap(self, old: Row | None, new: Row | None) -> None:
        """Put `new` where `old` was; None stands for no row."""
        key = self.key(old if new is None else new)
        if new is None:
            del self.rows[key]
        else:
            self.rows[key] = new
        for unique in self._uniques.values():
            unique.swap(old, new, key)
        for index in self._indexes.values():
            index.swap(old, new)

    def find(
        self,
        name: str,
        values: tuple[Any, ...],
        limit: int | None,
        after: tuple[Any, ...],
        backwards: bool,
    ) -> list[Row]:
        """Rows of an index that begin with these values."""
        index = self._indexes.get(name)
        if index is None or limit is not None or after or len(values) > index.searched:
            check_question(self.shape, name, values, limit, after)
        if index is None:
            index = self._indexes[name] = _Index(self.shape, name, list(self.rows.values()))
        search = index.entries.ending if backwards else index.entries.starting
        return [self.rows[index.key(entry)] for entry in search(values, limit, after)]


class MemoryTx:
    """A transaction on the tables themselves; `undo` takes back what it did."""

    def __init__(self, tables: dict[type[msgspec.Struct], _Table], writes: bool) -> None:
        self._tables = tables
        self._writes = writes
        self._done: list[tuple[_Table, Row | None, Row | None]] = []

    def get(self, kind: type[R], *key: Any) -> R | None:
        """As ports.Tx.get."""
        table = self._table(kind)
        check_key(table.shape, key)
        key = tuple(map(shown, key))
        return cast("R | None", table.rows.get(key[0] if len(key) == 1 else key))

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
        asked, beyond = tuple(map(shown, values)), tuple(map(shown, after))
        return self._table(kind).find(index, asked, limit, beyond, backwards)

    def added(
        self, kind: type[msgspec.Struct], by: tuple[str, ...], of: tuple[str, ...], first: int, end: int
    ) -> list[tuple[Any, ...]]:
        """As ports.Tx.added."""
        table = self._table(kind)
        check_sums(kind, by, of)
        values, begins = tuple_getter(by), attrgetter(table.shape.key[0])
        found: dict[tuple[Any, ...], list[int]] = {}
        for row in table.rows.values():
            if first <= begins(row) < end:
                sums = found.setdefault(values(row), [0] * len(of))
                for at, name in enumerate(of):
                    sums[at] += getattr(row, name)
        return sorted((*key, *sums) for key, sums in found.items())

    def insert(self, record: msgspec.Struct) -> None:
        """As ports.Tx.insert."""
        table = self._table(type(record))
        record = table.readable(record)
        if table.shape.numbered:
            # Not taken back by `undo`: a number is never given twice.
            table.last_number += 1
            record = msgspec.structs.replace(record, **{table.shape.key[0]: table.last_number})
        elif table.key(record) in table.rows:
            raise Duplicate("key")
        table.check(record)
        self._change(table, None, record)

    def replace(self, record: msgspec.Struct) -> None:
        """As ports.Tx.replace."""
        table, old, record = self._stored(record)
        new = msgspec.structs.replace(record, version=old.version + 1)
        table.check(new)
        self._change(table, old, new)

    def append(self, records: Sequence[msgspec.Struct]) -> None:
        """As ports.Tx.append."""
        if records:
            numbered(records)
        for record in records:
            self.insert(record)

    def place(self, records: Sequence[msgspec.Struct], field: str, first: int) -> None:
        """As ports.Tx.place."""
        if records:
            numbered(records)
        for number, record in enumerate(records, first):
            self.replace(msgspec.structs.replace(record, **{field: number}))

    def delete(self, record: msgspec.Struct) -> None:
        """As ports.Tx.delete."""
        table, old, _ = self._stored(record)
        self._change(table, old, None)

    def written(self) -> list[tuple[Row | None, Row | None]]:
        """What was written until now, in order: each row as it was and as it is; None stands for no row."""
        return [(old, new) for _, old, new in self._done]

    def undo(self) -> None:
        """Take back everything, last first."""
        while self._done:
            table, old, new = self._done.pop()
            table.swap(new, old)

    def _stored(self, record: Row) -> tuple[_Table, Row, Row]:
        """The table of a record, the row that it was read from, and how it is to be stored.

        Raises Stale when that row changed or is gone.
        """
        table = self._table(type(record))
        record = table.readable(record)
        old = table.rows.get(table.key(record))
        if old is None or old.version != record.version:
            raise Stale(
                f"{table.shape.table} {table.key(record)!r} is not at version {record.version} any more"
            )
        return table, old, record

    def _change(self, table: _Table, old: Row | None, new: Row | None) -> None:
        if not self._writes:
            raise TypeError("this transaction only reads")
        self._done.append((table, old, new))
        table.swap(old, new)

    def _table(self, kind: type[msgspec.Struct]) -> _Table:
        try:
            return self._tables[kind]
        except KeyError:
            raise TypeError(f"{kind.__name__} is not a stored record: see penstock.model.records") from None


class MemoryStore:
    """Records in dictionaries, for as long as the process lives."""

    def __init__(self) -> None:
        self._tables = {kind: _Table(kind, shape) for kind, shape in SHAPES.items()}
        self._lock = Lock()
        self._holder = 0
        self._closed = False

    def read(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.read; waits for a writer to end."""
        self._refuse()
        with self._lock:
            self._holder = get_ident()
            try:
                return operation(MemoryTx(self._tables, writes=False))
            finally:
                self._holder = 0

    def write(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.write."""
        self._refuse()
        with self._lock:
            self._holder = get_ident()
            tx = MemoryTx(self._tables, writes=True)
            try:
                return operation(tx)
            except BaseException:
                tx.undo()
                raise
            finally:
                self._holder = 0

    def submit(self, operation: Callable[[Tx], T]) -> Future[T]:
        """As ports.Store.submit; done when it returns."""
        self._refuse()
        future: Future[T] = Future()
        try:
            future.set_result(self.write(operation))
        except BaseException as raised:  # it belongs to whoever asks the future
            future.set_exception(raised)
        return future

    def close(self) -> None:
        """As ports.Store.close; may be repeated."""
        with self._lock:
            self._closed = True

    def _refuse(self) -> None:
        """Refuse an operation inside another, which could only wait for itself, and any after the end."""
        if self._holder == get_ident():
            raise RuntimeError("a store operation cannot start another: use its own transaction")
        if self._closed:
            raise StoreError("the store is closed")
