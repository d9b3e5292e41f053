"""A database is read while another process has it."""

import sqlite3
from pathlib import Path

import pytest
from conformance.samples import job

from penstock.model.job import Job
from penstock.ports import StoreError
from penstock.store.open import open_reading
from penstock.store.sql import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "penstock.db"


def test_what_is_committed_is_seen_while_the_owner_writes(path: Path) -> None:
    owner = SqliteStore(path)
    owner.write(lambda tx: tx.insert(job("a")))
    reader = open_reading(f"sqlite:///{path}", path.parent)
    seen = []

    def look(tx) -> None:  # type: ignore[no-untyped-def]
        seen.append(len(tx.find(Job, "key")))
        owner.write(lambda writing: writing.insert(job("b")))
        seen.append(len(tx.find(Job, "key")))

    reader.read(look)
    seen.append(reader.read(lambda tx: len(tx.find(Job, "key"))))
    assert seen == [1, 1, 2]
    reader.close()
    owner.close()


def test_it_cannot_be_written_to(path: Path) -> None:
    SqliteStore(path).close()
    reader = open_reading(f"sqlite:///{path}", path.parent)
    for change in (reader.write, reader.submit):
        with pytest.raises(StoreError, match="reading only"):
            change(lambda tx: tx.insert(job("a")))
    with pytest.raises(TypeError):
        reader.read(lambda tx: tx.insert(job("a")))
    reader.close()


def test_a_missing_or_strange_file_is_named_and_not_made(path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"):
        open_reading(f"sqlite:///{path}", path.parent)
    assert not path.exists()
    sqlite3.connect(path).execute("CREATE TABLE mine (a)").connection.close()
    with pytest.raises(StoreError, match="not one of Penstock"):
        open_reading(f"sqlite:///{path}", path.parent)
