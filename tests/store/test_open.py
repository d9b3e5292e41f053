"""Stores by address, new and old files, and the files that are refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.samples import job

from penstock.model.change import Change
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.ports import StoreError
from penstock.store import migrations, upgrade
from penstock.store.memory import MemoryStore
from penstock.store.open import open_store
from penstock.store.schema import HEAD
from penstock.store.sql import SqliteStore


def revision_in(path: Path, value: str, oldest: str = HEAD) -> None:
    """Write another revision into a database, and which is the oldest that may work with it."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (value,))
    connection.execute("UPDATE penstock_schema SET oldest = ?", (oldest,))
    connection.commit()
    connection.close()


def test_relative_addresses_begin_at_the_folder(tmp_path: Path) -> None:
    store = open_store("sqlite:///state/farm.db", tmp_path)
    store.close()
    assert (tmp_path / "state" / "farm.db").is_file()


def test_absolute_addresses_do_not(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/farm.db", Path("/nowhere"))
    store.close()
    assert (tmp_path / "farm.db").is_file()


def test_memory_keeps_nothing(tmp_path: Path) -> None:
    assert isinstance(open_store("memory:", tmp_path), MemoryStore)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "mysql://x", "", "penstock.db"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///FILE"):
        open_store(url, tmp_path)


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farm.db")
    store.write(lambda tx: tx.insert(job()))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert set(modes) == {"farm.db", "farm.db-wal", "farm.db-shm", "penstock.lock"}
    assert set(modes.values()) == {0o600}


def test_commits_are_forced_to_disk(tmp_path: Path) -> None:
    upgrade.prepare(tmp_path / "farm.db")
    connection = upgrade.connect(tmp_path / "farm.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_opening_imports_neither_sqlalchemy_nor_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from penstock.store.open import open_store;"
        "[open_store('sqlite:///farm.db', Path(sys.argv[1])).close() for _ in range(2)];"
        "sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'alembic', 'obstore', 'psycopg')))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    SqliteStore(path).close()
    revision_in(path, "9999", oldest="9998")
    with pytest.raises(StoreError, match=f"newer Penstock .schema 9999, this one knows up to {HEAD}"):
        SqliteStore(path)
    revision_in(path, HEAD)
    SqliteStore(path).close()


def test_the_schema_of_the_next_release_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    SqliteStore(path).close()
    revision_in(path, "9999", oldest=HEAD)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE job ADD COLUMN later TEXT DEFAULT '[]' NOT NULL")
    connection.close()
    store = SqliteStore(path)
    store.write(lambda tx: tx.insert(job("a")))
    assert store.read(lambda tx: tx.get(Job, "a")) == job("a")
    store.close()


FIRST_ROWS = """
INSERT INTO farm VALUES ('farm', 'example', 'u', 'i', 5, '', 0, 0, 7, 3);
INSERT INTO change VALUES ('c', '/src', 'main', 'me', 'trusted', 'change', 2, 1, 9, 0);
"""


def test_a_database_of_the_first_release_is_upgraded_with_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    migrations.upgrade(path, "0001")
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_ROWS)
    connection.close()
    for _ in range(2):
        store = SqliteStore(path)
        farm, change = store.read(lambda tx: (tx.get(Farm, "farm"), tx.get(Change, "c")))
        store.close()
        assert farm == Farm(name="example", uid="u", incarnation="i", time_ms=5, position=7, version=3)
        assert change == Change(
            id="c",
            source="/src",
            ref="main",
            who="me",
            trust="trusted",
            priority=2,
            automatic=True,
            created_ms=9,
        )


def test_the_first_release_can_still_write_after_the_upgrade(tmp_path: Path) -> None:
    """Its statements name every column that it knows, and no other."""
    path, older = tmp_path / "farm.db", tmp_path / "older.db"
    migrations.upgrade(older, "0001")
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("ATTACH ? AS older", (str(older),))
    tables = connection.execute("SELECT name FROM older.sqlite_master WHERE type = 'table'").fetchall()
    for table in {name for (name,) in tables} - {"alembic_version", "sqlite_sequence"}:
        columns = connection.execute(f'SELECT name FROM pragma_table_info("{table}", "older")').fetchall()  # noqa: S608
        named = ", ".join(f'"{name}"' for (name,) in columns)
        row = ", ".join("1" for _ in columns)
        connection.execute(f'INSERT INTO main."{table}" ({named}) VALUES ({row})')  # noqa: S608
    assert connection.execute("SELECT project, pools, queue_limit_ms FROM job").fetchall() == [
        ("", "[]", 86_400_000)
    ]
    connection.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (mine)")
    connection.commit()
    with pytest.raises(Exception, match="already exists"):
        migrations.upgrade(path)
    assert list(connection.execute("SELECT name FROM sqlite_master")) == [("event",)]
    connection.close()


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    with pytest.raises(StoreError, match="not one of Penstock"):
        SqliteStore(path)
    assert list(connection.execute("SELECT name FROM sqlite_master")) == [("theirs",)]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    path.write_bytes(b"something else, and long enough to be looked at" * 40)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_refused_file_leaves_the_folder_unlocked(tmp_path: Path) -> None:
    (tmp_path / "farm.db").write_bytes(b"something else" * 400)
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "farm.db")
    SqliteStore(tmp_path / "other.db").close()


def test_whoever_is_killed_while_creating_leaves_a_database_that_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    program = (
        "import os, sqlite3, sys; from pathlib import Path; from penstock.store import upgrade;"
        "made = upgrade.create_statements();"
        "upgrade.create_statements = lambda: (s if i < 20 else os._exit(9) for i, s in enumerate(made));"
        "upgrade.prepare(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 9
    store = SqliteStore(path)
    assert store.read(lambda tx: tx.find(Job, "key")) == []
    store.close()


def test_a_read_only_folder_is_said_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "in the way").write_text("")
        with pytest.raises(OSError, match="in the way"):
            SqliteStore(tmp_path / "in the way" / "farm.db")
        return
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        SqliteStore(tmp_path / "farm.db")
