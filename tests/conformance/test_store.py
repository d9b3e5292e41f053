"""The stores that there are, each through the whole suite."""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conformance.store_concurrency import ConcurrencySuite
from conformance.store_interleaved import InterleavedSuite
from conformance.store_model import KINDS, StoreMachine
from conformance.store_numbered import NumberedSuite
from conformance.store_pages import PagesSuite
from conformance.store_suite import Driver, StoreSuite
from conformance.store_sums import SumsSuite
from conformance.store_text import TextSuite
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from postgres import Cluster

from penstock.model.job import Edge
from penstock.model.records import SHAPES
from penstock.ports import Tx
from penstock.store.memory import MemoryStore
from penstock.store.open import open_store
from penstock.store.postgres import PostgresStore
from penstock.store.sql import SqliteStore


class SqliteDriver(Driver):
    """SQLite in a folder: one writer, snapshots beside it."""

    reads_beside = True
    durable = True


class TestMemory(StoreSuite, ConcurrencySuite, NumberedSuite, PagesSuite, SumsSuite, TextSuite):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver(MemoryStore)


class TestSqlite(StoreSuite, ConcurrencySuite, NumberedSuite, PagesSuite, SumsSuite, TextSuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[Driver]:
        made = SqliteDriver(lambda: SqliteStore(tmp_path / "penstock.db"))
        yield made
        made.store.close()


class PostgresDriver(Driver):
    """PostgreSQL, one process of many."""

    reads_beside = True
    durable = True


@pytest.fixture(scope="module")
def one_database(postgres: Cluster) -> Iterator[str]:
    """One for all tests here: to make one for each would take most of the time."""
    url = postgres.farm()
    yield url
    postgres.drop(url)


@pytest.fixture
def emptied(one_database: str) -> str:
    """The same, with nothing in it."""
    tables = [shape.table for shape in SHAPES.values()]
    with psycopg.connect(one_database, autocommit=True) as connection:
        connection.execute("; ".join(f'DELETE FROM "{table}"' for table in tables))  # noqa: S608
    return one_database


class TestPostgres(StoreSuite, ConcurrencySuite, NumberedSuite, PagesSuite, SumsSuite, TextSuite):
    @pytest.fixture
    def driver(self, emptied: str) -> Iterator[Driver]:
        made = PostgresDriver(lambda: PostgresStore(emptied))
        yield made
        made.store.close()


class Processes:
    """Two hub processes on one database, as one store: each thread that writes goes to the next of them."""

    def __init__(self, url: str) -> None:
        self.sides = [PostgresStore(url), PostgresStore(url)]
        self._turns = count()
        self._mine = threading.local()

    def _store(self) -> PostgresStore:
        if not hasattr(self._mine, "store"):
            self._mine.store = self.sides[next(self._turns) % 2]
        return self._mine.store

    def read(self, operation: Callable[[Tx], Any]) -> Any:
        return self._store().read(operation)

    def write(self, operation: Callable[[Tx], Any]) -> Any:
        return self._store().write(operation)

    def submit(self, operation: Callable[[Tx], Any]) -> Future[Any]:
        return self._store().submit(operation)

    def close(self) -> None:
        for store in self.sides:
            store.close()


class ProcessesDriver(PostgresDriver):
    """PostgreSQL, two processes at once."""

    interleaves = True

    @property
    def sides(self) -> list[PostgresStore]:
        return self.store.sides


class TestPostgresProcesses(ConcurrencySuite, InterleavedSuite):
    @pytest.fixture
    def driver(self, emptied: str) -> Iterator[Driver]:
        made = ProcessesDriver(lambda: Processes(emptied))
        yield made
        made.store.close()


class MemoryMachine(StoreMachine):
    driver = staticmethod(lambda: Driver(MemoryStore))


class PostgresMachine(StoreMachine):
    """On one database; what was there is removed before each run."""

    url = ""

    @staticmethod
    def driver() -> Driver:
        driver = PostgresDriver(lambda: PostgresStore(PostgresMachine.url))
        driver.store.write(lambda tx: [tx.delete(row) for kind in KINDS for row in tx.find(kind, "key")])
        return driver


class SqliteMachine(StoreMachine):
    @staticmethod
    def driver() -> Driver:
        folder = Path(tempfile.mkdtemp())
        return SqliteDriver(lambda: SqliteStore(folder / "penstock.db"))

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.driven.store._path.parent)


TestMemoryModel = MemoryMachine.TestCase
TestMemoryModel.settings = settings(max_examples=60, stateful_step_count=20)
TestSqliteModel = SqliteMachine.TestCase
TestSqliteModel.settings = settings(max_examples=40, stateful_step_count=15)


def test_postgres_does_as_the_model(emptied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresMachine, "url", emptied)
    run_state_machine_as_test(
        PostgresMachine, settings=settings(max_examples=10, stateful_step_count=8, deadline=None)
    )


@pytest.mark.parametrize("answered", [1, 40, 400])
def test_kill_9_in_a_storm_loses_nothing_and_leaves_nothing_half(tmp_path: Path, answered: int) -> None:
    told, kept = killed_in_a_storm("sqlite:///storm.db", tmp_path, answered)
    assert told <= set(kept), "answered and lost"
    assert set(kept.values()) == {2}, "half of a transaction"


@pytest.mark.parametrize("answered", [1, 400])
def test_kill_9_of_a_hub_leaves_nothing_half_in_postgres(emptied: str, tmp_path: Path, answered: int) -> None:
    told, kept = killed_in_a_storm(emptied, tmp_path, answered)
    assert told <= set(kept), "answered and lost"
    assert set(kept.values()) == {2}, "half of a transaction"


def killed_in_a_storm(url: str, tmp_path: Path, answered: int) -> tuple[set[str], Counter[str]]:
    """Kill a process that writes two edges at a time: whose writing was answered, and how many edges each has."""
    command = [sys.executable, str(Path(__file__).parent / "storm.py"), url, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        told = [program.stdout.readline() for _ in range(answered)]
        program.kill()
        told += program.stdout.read().splitlines(keepends=True)
    names = {line.decode().strip() for line in told if line.endswith(b"\n")}
    assert len(names) >= answered
    store = open_store(url, tmp_path)
    edges = store.read(lambda tx: tx.find(Edge, "key"))
    store.close()
    return names, Counter(edge.parent for edge in edges)
