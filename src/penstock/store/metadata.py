"""The tables once more in SQLAlchemy's words: what migrations are compared with, and what other databases get."""

from typing import Any

import sqlalchemy as sa

from penstock.store.codec import Column
from penstock.store.migrations.kinds import INTEGER, TEXT
from penstock.store.schema import TableSchema, default_text, tables

_TYPES: dict[str, "sa.types.TypeEngine[Any]"] = {"INTEGER": INTEGER, "REAL": sa.Double(), "TEXT": TEXT}


def metadata(database: str = "sqlite") -> sa.MetaData:
    """All tables and indexes of model.records, and those that the store keeps for itself in this database."""
    made = sa.MetaData()
    for table in tables().values():
        _add(made, table)
    sa.Table("penstock_schema", made, sa.Column("oldest", TEXT, nullable=False))
    if database == "postgresql":
        sa.Table(
            "penstock_writer",
            made,
            sa.Column("id", TEXT, primary_key=True, nullable=False),
            sa.Column("last", TEXT, nullable=False),
            sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        )
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
    key = column.name in table.key
    default = default_text(table, column)
    return sa.Column(
        column.name,
        _TYPES[column.sql],
        primary_key=key,
        autoincrement=table.numbered and key,
        nullable=column.nullable,
        server_default=sa.text(default) if default else None,
    )
