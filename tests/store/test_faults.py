"""What the SQLite store does when the disk is full, the database is held by another, or an operation misbehaves."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from conformance.samples import job

from penstock.model.job import Job
from penstock.ports import Duplicate, StoreError, Tx
from penstock.store.sql import SqliteStore

WAIT_S = 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "farm.db")
    yield made
    made.close()


def pragma(store: SqliteStore, text: str) -> None:
    """Set something on the writer's own connection."""
    store.write(lambda tx: tx._link.connection.execute(f"PRAGMA {text}").fetchall())


def fill_disk(store: SqliteStore) -> None:
    """From here on the database may not grow by more than a little."""
    pages = store.write(lambda tx: tx._link.connection.execute("PRAGMA page_count").fetchone()[0])
    pragma(store, f"max_page_count = {pages + 8}")


def big(name: str) -> Job:
    return job(name, reason="x" * 200_000)


def ids(store: SqliteStore) -> list[str]:
    return [row.id for row in store.read(lambda tx: tx.find(Job, "key"))]


def in_one_group(store: SqliteStore, *operations: Callable[[Tx], Any]) -> list[Any]:
    """Queue operations while the writer is held, so that they are one batch; what each returned or raised."""
    begun, go = threading.Event(), threading.Event()

    def hold(_tx: Tx) -> None:
        begun.set()
        assert go.wait(WAIT_S)

    first = store.submit(hold)
    assert begun.wait(WAIT_S)
    asked: list[Future[Any]] = [store.submit(operation) for operation in operations]
    go.set()
    first.result(WAIT_S)
    return [one.exception(WAIT_S) or one.result() for one in asked]


def counted(runs: list[str], row: Job) -> Callable[[Tx], str]:
    """Insert a row, and note each time that this is run."""

    def operation(tx: Tx) -> str:
        runs.append(row.id)
        tx.insert(row)
        return row.id

    return operation


def test_a_group_that_lost_its_transaction_is_redone_one_by_one(store: SqliteStore) -> None:
    fill_disk(store)
    runs: list[str] = []
    answers = in_one_group(store, counted(runs, job("a")), counted(runs, big("b")), counted(runs, job("c")))
    assert runs == ["a", "b", "a", "b", "c"]
    assert (answers[0], answers[2]) == ("a", "c")
    assert isinstance(answers[1], StoreError)
    assert "full" in str(answers[1])
    assert ids(store) == ["a", "c"]


def test_when_there_is_room_again_it_goes_on(store: SqliteStore) -> None:
    fill_disk(store)
    with pytest.raises(StoreError):
        store.write(lambda tx: tx.insert(big("a")))
    pragma(store, "max_page_count = 1000000")
    store.write(lambda tx: tx.insert(big("a")))
    assert ids(store) == ["a"]


def test_an_operation_that_swallows_the_loss_writes_nothing_after_it(store: SqliteStore) -> None:
    fill_disk(store)

    def operation(tx: Tx) -> str:
        tx.insert(job("before"))
        for row in (big("big"), job("after")):
            with pytest.raises(StoreError):
                tx.insert(row)
        return "done"

    answers = in_one_group(store, operation, lambda tx: tx.insert(job("other")))
    assert isinstance(answers[0], StoreError)
    assert answers[1] is None
    assert ids(store) == ["other"]


def test_a_statement_that_breaks_leaves_no_transaction_open(store: SqliteStore) -> None:
    """Unlike a full disk, SQLite does not end the transaction here by itself."""
    answers = in_one_group(
        store,
        lambda tx: tx.insert(job("a")),
        lambda tx: (tx.insert(job("half")), tx._run(tx._link.rows, "SELECT * FROM nowhere", ())),
        lambda tx: tx.insert(job("b")),
    )
    assert [type(answer).__name__ for answer in answers] == ["NoneType", "StoreError", "NoneType"]
    assert ids(store) == ["a", "b"]


def test_a_value_that_no_database_takes_harms_only_its_operation(store: SqliteStore) -> None:
    answers = in_one_group(
        store,
        lambda tx: tx.insert(job("a")),
        lambda tx: (tx.insert(job("half")), tx.insert(job("b", rank=2**63))),
        lambda tx: tx.insert(job("c", name="\ud800")),
        lambda tx: tx.insert(job("d", reason=["no text"])),
        lambda tx: tx.insert(job("e")),
    )
    assert [type(answer).__name__ for answer in answers] == [
        "NoneType",
        "OverflowError",
        "UnicodeEncodeError",
        "ProgrammingError",
        "NoneType",
    ]
    assert ids(store) == ["a", "e"]


def test_a_database_that_another_holds_is_refused_at_once_for_all(store: SqliteStore, tmp_path: Path) -> None:
    pragma(store, "busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "farm.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for name in "ab":
        with pytest.raises(StoreError, match="locked"):
            store.write(lambda tx, name=name: tx.insert(job(name)))
    assert ids(store) == []
    other.execute("ROLLBACK")
    other.close()
    store.write(lambda tx: tx.insert(job("c")))
    assert ids(store) == ["c"]


def test_what_is_queued_when_it_closes_is_done_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "farm.db")
    begun, go = threading.Event(), threading.Event()
    store.submit(lambda _tx: (begun.set(), go.wait(WAIT_S)))
    assert begun.wait(WAIT_S)
    asked = [store.submit(lambda tx, at=at: tx.insert(job(str(at)))) for at in range(300)]
    closing = threading.Thread(target=store.close)
    closing.start()
    go.set()
    assert [one.exception(WAIT_S) for one in asked] == [None] * 300
    closing.join(WAIT_S)
    store = SqliteStore(tmp_path / "farm.db")
    assert len(ids(store)) == 300
    store.close()


def test_an_operation_that_was_called_off_is_not_run(store: SqliteStore) -> None:
    begun, go = threading.Event(), threading.Event()
    store.submit(lambda _tx: (begun.set(), go.wait(WAIT_S)))
    assert begun.wait(WAIT_S)
    unwanted = store.submit(lambda tx: tx.insert(job("a")))
    assert unwanted.cancel()
    go.set()
    store.write(lambda tx: tx.insert(job("b")))
    assert ids(store) == ["b"]


def test_a_callback_that_waits_for_the_writer_is_refused(store: SqliteStore) -> None:
    seen: Future[BaseException] = Future()

    def callback(_done: Future[Any]) -> None:
        try:
            store.write(lambda _tx: None)
        except RuntimeError as refused:
            seen.set_result(refused)

    begun, go = threading.Event(), threading.Event()
    held = store.submit(lambda _tx: (begun.set(), go.wait(WAIT_S)))
    held.add_done_callback(callback)
    go.set()
    assert "cannot start another" in str(seen.result(WAIT_S))


def test_group_size_is_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.store.sqlitelink.SqliteLink.most", 2)
    answers = in_one_group(store, *(lambda tx, at=at: tx.insert(job(str(at))) for at in range(5)))
    assert answers == [None] * 5


def test_duplicate_in_a_group_is_told_to_its_own_caller(store: SqliteStore) -> None:
    answers = in_one_group(store, *[lambda tx: tx.insert(job("a"))] * 3)
    assert answers[0] is None
    assert [type(answer) for answer in answers[1:]] == [Duplicate, Duplicate]


# The kernel refuses to let any file of this process grow: what a full disk looks like at the COMMIT.
FULL = """
import json, resource, sys
from pathlib import Path
from conformance.samples import job
from penstock.model.job import Job
from penstock.ports import StoreError
from penstock.store.sql import SqliteStore

def write(name):
    try:
        store.write(lambda tx: tx.insert(job(name)))
        return "kept"
    except StoreError as refused:
        return "refused"

path = Path(sys.argv[1]) / "farm.db"
store = SqliteStore(path)
told = {"before": write("before")}
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
size = Path(f"{path}-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
asked = [store.submit(lambda tx, at=at: tx.insert(job(f"full-{at}"))) for at in range(5)]
told["full"] = ["refused" if isinstance(one.exception(60), StoreError) else "kept" for one in asked]
told["seen"] = [row.id for row in store.read(lambda tx: tx.find(Job, "key"))]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
told["after"] = write("after")
store.close()
store = SqliteStore(path)
told["reopened"] = [row.id for row in store.read(lambda tx: tx.find(Job, "key"))]
print(json.dumps(told))
"""


def test_a_disk_that_is_full_at_the_commit_answers_nobody_by_half(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    tests = str(Path(__file__).parent.parent)
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tests, check=True)
    assert json.loads(ended.stdout) == {
        "before": "kept",
        "full": ["refused"] * 5,
        "seen": ["before"],
        "after": "kept",
        "reopened": ["after", "before"],
    }
