"""Records to rows and back: one column for each field, plain where a database has the type, else JSON text."""

import typing
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import compress
from operator import attrgetter, is_not
from types import NoneType
from typing import Any, Literal

import msgspec

Convert = Callable[[Any], Any]
NUL, SHOWN = "\0", "\u2400"
"""No text of PostgreSQL holds a NUL, so no store keeps one: it is stored as the sign that stands for it."""


def shown(value: Any) -> Any:
    """A value with each NUL of its text, if it is one, made visible."""
    return value.replace(NUL, SHOWN) if isinstance(value, str) and NUL in value else value


def text_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Fields that hold any text; the text in lists and records is JSON, which has words of its own for a NUL."""
    return tuple(column.name for column in columns(kind) if column.sql == "TEXT" and not column.encode)


class Column(msgspec.Struct, frozen=True):
    """One field as it is stored. `sql` is its type: INTEGER, REAL or TEXT.

    `encode`, `decode` turn a value into what the database takes and back; None where it is the same. `default` is
    the field's, as the database takes it; None where it has none.
    """

    name: str
    sql: str
    nullable: bool = False
    scalar: bool = True
    encode: Convert | None = None
    decode: Convert | None = None
    default: str | int | float | None = None


def columns(kind: type[msgspec.Struct]) -> tuple[Column, ...]:
    """The columns of a record type, in the order of its fields."""
    return tuple(_with_default(field) for field in msgspec.structs.fields(kind))


def _with_default(field: msgspec.structs.FieldInfo) -> Column:
    column = _column(field.name, field.type)
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return column
    return msgspec.structs.replace(column, default=column.encode(value) if column.encode else value)


def _column(name: str, type_: Any) -> Column:
    """The column of one field. Booleans are integers; enumerations and literals are their text."""
    options = [option for option in typing.get_args(type_) if option is not NoneType]
    if NoneType in typing.get_args(type_) and len(options) == 1:
        inner = _column(name, options[0])
        return msgspec.structs.replace(
            inner, nullable=True, encode=_unless_none(inner.encode), decode=_unless_none(inner.decode)
        )
    if type_ is bool:
        # sqlite3 would look for an adapter for each bool and each StrEnum: ten times the price of this.
        return Column(name, "INTEGER", encode=int, decode=bool)
    if type_ in (int, float, str):
        return Column(name, {int: "INTEGER", float: "REAL", str: "TEXT"}[type_])
    if isinstance(type_, type) and issubclass(type_, StrEnum):
        members = {str(member): member for member in type_}
        return Column(name, "TEXT", encode=str.__str__, decode=members.__getitem__)
    if typing.get_origin(type_) is Literal and all(type(option) is str for option in options):
        return Column(name, "TEXT")
    return _json_column(name, type_)


def _json_column(name: str, type_: Any) -> Column:
    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(type_)
    return Column(
        name,
        "TEXT",
        scalar=False,
        encode=lambda value: encoder.encode(value).decode(),
        decode=decoder.decode,
    )


def _unless_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


class Codec:
    """Turns records of one type into rows of values in column order, and back."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.columns = columns(kind)
        self._names = tuple(column.name for column in self.columns)
        self._values: Callable[[Any], tuple[Any, ...]] = attrgetter(*self._names)
        self._encode = [(at, column.encode) for at, column in enumerate(self.columns) if column.encode]
        self._texts = [self._names.index(name) for name in text_fields(kind)]
        self._make = _maker(kind, self.columns)
        self._all = range(len(self.columns))
        self._compared = [name != "version" for name in self._names]

    def row(self, record: msgspec.Struct) -> list[Any]:
        """The values of a record, as the database takes them."""
        values = list(self._values(record))
        for at, encode in self._encode:
            values[at] = encode(values[at])
        for at in self._texts:
            if values[at] and NUL in values[at]:
                values[at] = shown(values[at])
        return values

    def changes(self, before: msgspec.Struct, after: msgspec.Struct) -> dict[int, Any]:
        """What two states of a record differ in, but for the version: column -> its new value for the database.

        Most fields of a changed record are the very objects that they were, which is quick to see.
        """
        old, new = self._values(before), self._values(after)
        others = [at for at in compress(self._all, map(is_not, old, new)) if old[at] != new[at]]
        return {at: self._encoded(at, new[at]) for at in others if self._compared[at]}

    def _encoded(self, at: int, value: Any) -> Any:
        encode = self.columns[at].encode
        return shown(value) if encode is None else encode(value)

    def record(self, row: Sequence[Any]) -> Any:
        """The record that a row holds. Raises msgspec.DecodeError where its JSON is not what it should be."""
        return self._make(row)


def _maker(kind: type[msgspec.Struct], stored: Sequence[Column]) -> Callable[[Sequence[Any]], Any]:
    """What makes a record of a row, written out field by field: to put the names together anew for each row is a third more."""
    values: dict[str, Any] = {"kind": kind}
    fields = []
    for at, column in enumerate(stored):
        values[f"decode_{at}"] = column.decode
        fields.append(f"{column.name}=" + (f"decode_{at}(row[{at}])" if column.decode else f"row[{at}]"))
    # The text holds the names of our own fields and nothing else.
    made: Callable[[Sequence[Any]], Any] = eval(f"lambda row: kind({', '.join(fields)})", values)
    return made
