"""The tables once more in SQLAlchemy's words: what migrations are compared with, and what other databases get."""

import sqlalchemy as sa

from penstock.store.codec import Column
from penstock.store.schema import TableSchema, default_text, tables

_TYPES = {"INTEGER": sa.BigInteger, "REAL": sa.Double, "TEXT": sa.Text}


def metadata() -> sa.MetaData:
    """All tables and indexes of model.records."""
    made = sa.MetaData()
    for table in tables().values():
        _add(made, table)
    sa.Table("penstock_schema", made, sa.Column("oldest", sa.Text(), nullable=False))
    return made


def _add(made: sa.MetaData, table: TableSchema) -> None:
    found = sa.Table(
        table.name,
        made,
        *(_column(table, column) for column in table.columns),
        sqlite_autoincrement=table.numbered,
    )
    for index in table.indexes:
        where = found.c[index.flag] == 1 if index.flag else None
        fields = [found.c[field] for field in index.fields]
        sa.Index(index.name, *fields, unique=index.unique, sqlite_where=where, postgresql_where=where)


def _column(table: TableSchema, column: Column) -> "sa.Column[object]":
    # SQLite counts only in a column declared as INTEGER, and its integers have 64 bits anyway.
    kind = _TYPES[column.sql]().with_variant(sa.Integer(), "sqlite")
    if column.sql != "INTEGER":
        kind = _TYPES[column.sql]()
    key = column.name in table.key
    default = default_text(table, column)
    return sa.Column(
        column.name,
        kind,
        primary_key=key,
        autoincrement=table.numbered and key,
        nullable=column.nullable,
        server_default=sa.text(default) if default else None,
    )
