"""What every store reads out of model.records: which fields order an index, and which questions are allowed."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from penstock.model.records import SHAPES, Shape
from penstock.store.codec import columns

KEY = "key"
"""The name under which the primary key can be searched like any index."""


def shape_of(kind: type[msgspec.Struct]) -> Shape:
    """The shape of a stored record type. Raises TypeError for a type that is not stored."""
    try:
        return SHAPES[kind]
    except KeyError:
        raise TypeError(f"{kind.__name__} is not a stored record: see penstock.model.records") from None


def index_fields(shape: Shape, index: str) -> tuple[str, ...]:
    """Fields that an index is searched by. Raises ValueError for an index that the shape does not have."""
    if index == KEY:
        return shape.key
    try:
        return shape.indexes[index]
    except KeyError:
        raise ValueError(f"{shape.table} has no index {index!r}") from None


def order_fields(shape: Shape, index: str) -> tuple[str, ...]:
    """Fields that rows of an index are ordered by: its own, then the key, which makes the order total."""
    return tuple(dict.fromkeys(index_fields(shape, index) + shape.key))


def check_question(
    shape: Shape, index: str, values: tuple[Any, ...], limit: int | None, after: tuple[Any, ...] = ()
) -> None:
    """Refuse a search that no index answers, with ValueError, alike in every store."""
    if len(values) > len(index_fields(shape, index)):
        raise ValueError(f"{shape.table}.{index} is searched by {index_fields(shape, index)}, not {values!r}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit is {limit}")
    if len(values) + len(after) > len(order_fields(shape, index)):
        raise ValueError(f"{shape.table}.{index} is ordered by {order_fields(shape, index)}, not {after!r}")


def check_sums(kind: type[msgspec.Struct], by: tuple[str, ...], of: tuple[str, ...]) -> None:
    """Refuse sums that no store makes, with ValueError, alike in every store: of fields that are not there, or no numbers."""
    plain = {column.name: column.sql for column in columns(kind) if column.scalar and not column.nullable}
    numbers = (shape_of(kind).key[0], *of)
    if (
        not by
        or any(name not in plain for name in by)
        or any(plain.get(name) != "INTEGER" for name in numbers)
    ):
        raise ValueError(f"{kind.__name__} cannot be added up by {by!r}: sums of {of!r}")


def numbered(records: Sequence[msgspec.Struct]) -> type[msgspec.Struct]:
    """The one kind of these records, at least one, which their store numbers. Raises TypeError, alike in every store."""
    kind = type(records[0])
    if not shape_of(kind).numbered or any(type(record) is not kind for record in records):
        raise TypeError(f"only numbered records of one kind go together, not {kind.__name__}")
    return kind


def runs(records: Sequence[Any], key: str) -> Iterator[Sequence[Any]]:
    """Numbered records in runs of which each is numbered one more than the last, and has its version."""
    start = 0
    for at in range(1, len(records) + 1):
        if at < len(records):
            last, this = records[at - 1], records[at]
            if getattr(this, key) == getattr(last, key) + 1 and this.version == last.version:
                continue
        yield records[start:at]
        start = at


def check_key(shape: Shape, key: tuple[Any, ...]) -> None:
    """Refuse a key of the wrong length, with ValueError."""
    if len(key) != len(shape.key):
        raise ValueError(f"{shape.table} is found by {shape.key}, not {key!r}")


def tuple_getter(fields: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a record to the tuple of these fields (attrgetter gives a bare value for one field)."""
    if len(fields) > 1:
        return attrgetter(*fields)
    only = attrgetter(fields[0])
    return lambda record: (only(record),)
