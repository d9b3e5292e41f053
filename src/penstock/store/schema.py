"""Tables and indexes as SQLite's own words, made from model.records.

A new database is made from these statements at once; the same schema follows from the migrations, and a test
holds them together. Whoever changes a stored record writes a migration and moves HEAD.
"""

import functools

import msgspec

from penstock.model.records import SHAPES, Shape
from penstock.store.codec import Column, columns
from penstock.store.shapes import order_fields

HEAD = "0009"
"""The revision that this code reads and writes: the newest file of migrations/versions."""
OLDEST = "0001"
"""The oldest revision whose release can work with a database of HEAD. Each migration writes it down."""
ADDED: dict[str, tuple[str, ...]] = {
    "farm": ("frozen_reason", "adopted", "address"),
    "change": ("project", "pools", "queue_limit_ms", "branch"),
    "job": ("project", "pools", "queue_limit_ms", "own_rank"),
    "attempt": ("project",),
    "meter": ("first_ms", "paid_micros"),
    "machine": (
        "agent",
        "provider_id",
        "client_token",
        "offer",
        "power_reason",
        "called",
        "since_ms",
        "ordered_ms",
        "starts",
        "leaves_ms",
    ),
}
"""Columns that came after their table: they have a default, so that the release before can insert rows."""


class Index(msgspec.Struct, frozen=True):
    """One index of a table. `flag` is the column that must be set for a row to count, "" for all rows."""

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    flag: str = ""


class TableSchema(msgspec.Struct, frozen=True):
    """One table: its columns, its primary key (given by the database when `numbered`) and its indexes."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    numbered: bool
    indexes: tuple[Index, ...]


@functools.cache
def tables() -> dict[type[msgspec.Struct], TableSchema]:
    """All tables by record type. Raises TypeError for a record that cannot be stored."""
    return {kind: _table(kind, shape) for kind, shape in SHAPES.items()}


def _table(kind: type[msgspec.Struct], shape: Shape) -> TableSchema:
    found = columns(kind)
    indexes = _indexes(shape)
    _check_searchable(shape, found, indexes)
    return TableSchema(shape.table, found, shape.key, shape.numbered, indexes)


def _indexes(shape: Shape) -> tuple[Index, ...]:
    """Indexes end with the key, so that rows come out of them in the promised order without sorting."""
    ordered = [Index(f"{shape.table}_{name}", order_fields(shape, name)) for name in shape.indexes]
    unique = [Index(name, fields, True, flag) for name, (fields, flag) in shape.unique.items()]
    return (*ordered, *unique)


def _check_searchable(shape: Shape, found: tuple[Column, ...], indexes: tuple[Index, ...]) -> None:
    """NULLs compare differently in every store, JSON not at all: neither may be searched by."""
    plain = {column.name for column in found if column.scalar and not column.nullable}
    wanted = {field for index in indexes for field in (*index.fields, index.flag) if field} | set(shape.key)
    if not wanted <= plain:
        raise TypeError(f"{shape.table} cannot be searched by {sorted(wanted - plain)}")


def create_statements() -> list[str]:
    """What makes an empty database one of revision HEAD."""
    made = [statement for table in tables().values() for statement in _create_table(table)]
    return [
        *made,
        "CREATE TABLE penstock_schema (oldest TEXT NOT NULL)",
        f"INSERT INTO penstock_schema VALUES ('{OLDEST}')",  # noqa: S608 - a constant of this file
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO alembic_version VALUES ('{HEAD}')",  # noqa: S608 - a constant of this file
    ]


def _create_table(table: TableSchema) -> list[str]:
    parts = [_column_text(table, column) for column in table.columns]
    if not table.numbered:
        parts.append(f"PRIMARY KEY ({names(table.key)})")
    created = f'CREATE TABLE "{table.name}" ({", ".join(parts)})'
    return [created, *(_index_text(table.name, index) for index in table.indexes)]


def _column_text(table: TableSchema, column: Column) -> str:
    key = " PRIMARY KEY AUTOINCREMENT" if table.numbered and column.name in table.key else ""
    default = default_text(table, column)
    return (
        f'"{column.name}" {column.sql}{default and f" DEFAULT {default}"}'
        f"{'' if column.nullable else ' NOT NULL'}{key}"
    )


def default_text(table: TableSchema, column: Column) -> str:
    """The default of a column that came after its table, as SQL; "" for every other column."""
    if column.name not in ADDED.get(table.name, ()):
        return ""
    if isinstance(column.default, str):
        return "'" + column.default.replace("'", "''") + "'"
    return str(column.default)


def _index_text(table: str, index: Index) -> str:
    unique, flag = "UNIQUE " if index.unique else "", f' WHERE "{index.flag}" = 1' if index.flag else ""
    return f'CREATE {unique}INDEX "{index.name}" ON "{table}" ({names(index.fields)}){flag}'


def names(fields: tuple[str, ...]) -> str:
    """Field names as a list of quoted identifiers."""
    return ", ".join(f'"{field}"' for field in fields)
