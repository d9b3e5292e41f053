"""Three ways to the same tables: the quick statements, the migrations, SQLAlchemy's metadata."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from penstock.model.records import SHAPES, Shape
from penstock.store import migrations, schema, statements
from penstock.store.codec import Codec
from penstock.store.metadata import metadata
from penstock.store.upgrade import prepare


def described(path: Path) -> dict[str, Any]:
    """All that SQLite says of a database's tables and indexes."""
    connection = sqlite3.connect(path)
    try:
        rows = list(connection.execute("SELECT name, type, tbl_name, sql FROM sqlite_master"))
        columns = {name: list(connection.execute(f'PRAGMA table_info("{name}")')) for name, *_ in rows}
        indexes = {name: list(connection.execute(f'PRAGMA index_xinfo("{name}")')) for name, *_ in rows}
    finally:
        connection.close()
    return {
        # A column that was added stands last: which one it is in its table does not count.
        name: (
            kind,
            table,
            sorted(column for _, *column in columns[name]),
            [(at, *column) for at, _, *column in indexes[name]],
            plain(text),
        )
        for name, kind, table, text in rows
    }


def plain(text: str | None) -> list[str]:
    """The parts of a statement, without quotes and spaces, which each writer sets as it likes."""
    return sorted("".join(c for c in (text or "").lower() if c not in '"() \n\t').split(","))


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A database as a new farm gets it."""
    prepare(tmp_path / "quick.db")
    return tmp_path / "quick.db"


def test_a_new_database_is_what_the_migrations_make(quick: Path, tmp_path: Path) -> None:
    migrations.upgrade(tmp_path / "migrated.db")
    assert described(quick) == described(tmp_path / "migrated.db")


def test_a_new_database_is_what_sqlalchemy_would_make(quick: Path, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'made.db'}", poolclass=sa.NullPool)
    metadata().create_all(engine)
    found = described(quick)
    del found["alembic_version"], found["sqlite_autoindex_alembic_version_1"]
    assert found == described(tmp_path / "made.db")


def test_alembic_would_change_nothing(quick: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{quick}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata()) == []


def test_the_schema_is_at_the_newest_migration() -> None:
    assert ScriptDirectory(str(migrations.FOLDER)).get_heads() == [schema.HEAD]


@pytest.mark.parametrize("kind", list(SHAPES), ids=lambda kind: kind.__name__)
def test_every_search_goes_through_its_index_without_sorting(quick: Path, kind: type) -> None:
    shape, how = SHAPES[kind], statements.statements(kind)
    connection = sqlite3.connect(quick)
    for index in ("key", *shape.indexes):
        fields = shape.key if index == "key" else shape.indexes[index]
        for count in range(1, len(fields) + 1):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {how.find(index, count)}", [None] * count + [-1])
            steps = [row[3] for row in plan]
            assert len(steps) == 1, steps
            assert steps[0].startswith("SEARCH"), steps
    connection.close()


class Loose(msgspec.Struct):
    id: str
    size: tuple[int, ...] = ()
    note: str | None = None
    version: int = 0


@pytest.mark.parametrize("field", ["size", "note"])
def test_lists_and_nulls_cannot_be_searched_by(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "SHAPES", {Loose: Shape("loose", ("id",), {"by": (field,)})})
    with pytest.raises(TypeError, match=field):
        schema.tables.__wrapped__()


def test_rows_hold_plain_values_and_null() -> None:
    codec = Codec(Loose)
    assert codec.row(Loose("a", (1, 2))) == ["a", "[1,2]", None, 0]
    assert codec.record(("a", "[1,2]", "x", 3)) == Loose("a", (1, 2), "x", 3)
    with pytest.raises(msgspec.DecodeError):
        codec.record(("a", "[1,", None, 0))
