"""A transaction that reads each record once and writes it once, however often an operation puts it.

A poll with a finish touches its attempt three times and its machine twice; what counts for the farm is how it ends.
Records that are put wait until the operation ends, or until a search would find them, as they were or as they are now,
or one is inserted that must differ from them. Seen from inside nothing differs: versions rise with each put, and who puts
an older one is refused.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from penstock.model.records import SHAPES
from penstock.ports import Stale, Tx

R = TypeVar("R", bound=msgspec.Struct)
_Key = tuple[Any, ...]
MANY = 64
"""So many records wait at most: each search looks through them, which in a build of thousands took longer than all else."""


class GatheredTx:
    """As ports.Tx, over `tx`; `flush` writes what waits, and must be the last thing done with it."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[tuple[type, _Key], Any] = {}
        self._waiting: dict[tuple[type, _Key], Any] = {}
        self._ahead: dict[tuple[type, _Key], int] = {}

    def get(self, kind: type[R], *key: Any) -> R | None:
        """As ports.Tx.get."""
        known: R | None = self._known.get((kind, key))
        if known is None:
            known = self._tx.get(kind, *key)
            if known is not None:
                self._known[kind, key] = known
        return known

    def find(self, kind: type[R], index: str, *values: Any, **how: Any) -> list[R]:
        """As ports.Tx.find."""
        if self._would_find(kind, index, values):
            self._write(kind)
        return [self._as_known(record) for record in self._tx.find(kind, index, *values, **how)]

    def added(self, kind: type[msgspec.Struct], *asked: Any) -> list[_Key]:
        """As ports.Tx.added."""
        self._write(kind)
        return self._tx.added(kind, *asked)

    def insert(self, record: msgspec.Struct) -> None:
        """As ports.Tx.insert."""
        shape = SHAPES[type(record)]
        if shape.unique:
            self._write(type(record))
        self._tx.insert(record)
        if not shape.numbered:
            self._known[_name(record)] = record

    def replace(self, record: msgspec.Struct) -> None:
        """As ports.Tx.replace; a record that was not read here is refused when it is written."""
        name = _name(record)
        known = self._known.get(name, record)
        version: int = record.version  # type: ignore[attr-defined]
        if known.version != version:
            raise Stale(f"{name[1]!r} is not at version {version} any more")
        if name in self._waiting:
            self._ahead[name] = self._ahead.get(name, 0) + 1
        else:
            if len(self._waiting) >= MANY:
                self.flush()
            self._waiting[name] = self._known.get(name)
        self._known[name] = msgspec.structs.replace(record, version=version + 1)

    def append(self, records: Sequence[msgspec.Struct]) -> None:
        """As ports.Tx.append."""
        self._tx.append(records)

    def place(self, records: Sequence[msgspec.Struct], field: str, first: int) -> None:
        """As ports.Tx.place."""
        for record in records:
            name = _name(record)
            if name in self._waiting:
                self._write_one(name)
            self._known.pop(name, None)
        self._tx.place(records, field, first)

    def delete(self, record: msgspec.Struct) -> None:
        """As ports.Tx.delete."""
        self._write(type(record))
        name = _name(record)
        version: int = record.version  # type: ignore[attr-defined]
        self._tx.delete(msgspec.structs.replace(record, version=version - self._ahead.pop(name, 0)))
        self._known.pop(name, None)

    def flush(self) -> None:
        """Write all that waits. Raises Stale and Duplicate, as ports.Tx.replace does."""
        for name in list(self._waiting):
            self._write_one(name)

    def _would_find(self, kind: type, index: str, values: tuple[Any, ...]) -> bool:
        """Whether a search means a record that waits: as it is stored (`_waiting`, None where that is not known) or as it
        will be."""
        shape = SHAPES.get(kind)
        if shape is None:
            return False
        fields = shape.key if index == "key" else shape.indexes.get(index, ())
        wanted = tuple(zip(fields, values, strict=False))
        return any(
            before is None or _meets(before, wanted) or _meets(self._known[name], wanted)
            for name, before in self._waiting.items()
            if name[0] is kind
        )

    def _write(self, kind: type) -> None:
        for name in [name for name in self._waiting if name[0] is kind]:
            self._write_one(name)

    def _write_one(self, name: tuple[type, _Key]) -> None:
        """The store counts one put where there were several: `_ahead` is how far our versions are before its own."""
        record = self._known[name]
        del self._waiting[name]
        self._tx.replace(
            msgspec.structs.replace(record, version=record.version - 1 - self._ahead.get(name, 0))
        )

    def _as_known(self, record: R) -> R:
        """A record that was searched for, with the version that it has here."""
        name = _name(record)
        ahead = self._ahead.get(name, 0)
        if ahead:
            version: int = record.version  # type: ignore[attr-defined]
            record = msgspec.structs.replace(record, version=version + ahead)
        self._known[name] = record
        return record


def _meets(record: msgspec.Struct, wanted: tuple[tuple[str, Any], ...]) -> bool:
    """Whether a record has these values. Text with a NUL may: stores keep another sign in its place."""
    for field, value in wanted:
        have = getattr(record, field)
        if have != value and not (isinstance(have, str) and "\0" in f"{have}{value}"):
            return False
    return True


def _name(record: msgspec.Struct) -> tuple[type, _Key]:
    kind = type(record)
    return kind, tuple([getattr(record, field) for field in SHAPES[kind].key])
