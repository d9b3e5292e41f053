"""What was read is written back without what did not change, so that its indexes stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from conformance.samples import job

from penstock.model.job import Job
from penstock.model.states import JobState
from penstock.ports import Stale, Tx
from penstock.store.sqlitelink import SqliteLink
from penstock.store.sqltx import SqlTx
from penstock.store.upgrade import connect, prepare

NEW = msgspec.structs.replace(job("a", state=JobState.QUEUED), reason="first")


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SqliteLink]:
    prepare(tmp_path / "farm.db")
    made = SqliteLink(connect(tmp_path / "farm.db"))
    made.begin()
    SqlTx(made, writes=True, careful=True).insert(NEW)
    made.commit()
    made.begin()
    yield made
    made.abandon()
    made.close()


def updates(link: SqliteLink, tx: Tx, record: Job) -> str:
    """What is set when this record is written."""
    said: list[str] = []
    link.connection.set_trace_callback(said.append)
    tx.replace(record)
    link.connection.set_trace_callback(None)
    (update,) = [text for text in said if text.startswith("UPDATE")]
    return update.partition(" SET ")[2].partition(" WHERE ")[0]


def test_only_what_changed_is_written(link: SqliteLink) -> None:
    tx = SqlTx(link, writes=True, careful=True)
    read = tx.get(Job, "a")
    assert read is not None
    after = msgspec.structs.replace(read, reason="a\0b", pools=("x",))
    assert updates(link, tx, after) == '"reason" = \'a\u2400b\', "pools" = \'["x"]\', "version" = 1'
    found = tx.get(Job, "a")
    assert found == msgspec.structs.replace(after, reason="a\u2400b", version=1)
    assert updates(link, tx, found) == '"version" = 2'


def test_what_was_not_read_is_written_whole(link: SqliteLink) -> None:
    tx = SqlTx(link, writes=True, careful=True)
    assert '"spec" = ' in updates(link, tx, NEW)
    assert tx.get(Job, "a") == msgspec.structs.replace(NEW, version=1)


def test_an_older_one_than_was_read_is_stale(link: SqliteLink) -> None:
    tx = SqlTx(link, writes=True, careful=True)
    (read,) = tx.find(Job, "key")
    tx.replace(msgspec.structs.replace(read, reason="second"))
    with pytest.raises(Stale):
        tx.replace(msgspec.structs.replace(read, reason="third"))
    with pytest.raises(Stale):
        tx.replace(msgspec.structs.replace(read, reason="fourth"))
    found = tx.get(Job, "a")
    assert found is not None
    assert found.reason == "second"
