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

import pytest
from conformance.store_concurrency import ConcurrencySuite
from conformance.store_model import StoreMachine
from conformance.store_suite import Driver, StoreSuite
from hypothesis import settings

from penstock.model.job import Edge
from penstock.ports import Tx
from penstock.store.memory import MemoryStore
from penstock.store.open import open_store
from penstock.store.postgres import PostgresStore
from penstock.store.sql import SqliteStore


class SqliteDriver(Driver):
    """SQLite in a folder: one writer, snapshots beside it."""

    reads_beside = True
    durable = True


class TestMemory(StoreSuite, ConcurrencySuite):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver(MemoryStore)


class TestSqlite(StoreSuite, ConcurrencySuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[Driver]:
        made = SqliteDriver(lambda: SqliteStore(tmp_path / "penstock.db"))
        yield made
        made.store.close()


class PostgresDriver(Driver):
    """PostgreSQL, one process of many."""

    reads_beside = True
    durable = True


class TestPostgres(StoreSuite, ConcurrencySuite):
    @pytest.fixture
    def driver(self, postgres_url: str) -> Iterator[Driver]:
        made = PostgresDriver(lambda: PostgresStore(postgres_url))
        yield made
        made.store.close()


class Processes:
    """Two hub processes on one database, as one store: each thread that writes goes to the next of them."""

    def __init__(self, url: str) -> None:
        self._stores = [PostgresStore(url), PostgresStore(url)]
        self._turns = count()
        self._mine = threading.local()

    def _store(self) -> PostgresStore:
        if not hasattr(self._mine, "store"):
            self._mine.store = self._stores[next(self._turns) % 2]
        return self._mine.store

    def read(self, operation: Callable[[Tx], Any]) -> Any:
        return self._store().read(operation)

    def write(self, operation: Callable[[Tx], Any]) -> Any:
        return self._store().write(operation)

    def submit(self, operation: Callable[[Tx], Any]) -> Future[Any]:
        return self._store().submit(operation)

    def close(self) -> None:
        for store in self._stores:
            store.close()


class ProcessesDriver(PostgresDriver):
    """PostgreSQL, two processes at once."""

    interleaves = True


class TestPostgresProcesses(ConcurrencySuite):
    @pytest.fixture
    def driver(self, postgres_url: str) -> Iterator[Driver]:
        made = ProcessesDriver(lambda: Processes(postgres_url))
        yield made
        made.store.close()


class MemoryMachine(StoreMachine):
    driver = staticmethod(lambda: Driver(MemoryStore))


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


@pytest.mark.parametrize("answered", [1, 40, 400])
def test_kill_9_in_a_storm_loses_nothing_and_leaves_nothing_half(tmp_path: Path, answered: int) -> None:
    url = "sqlite:///storm.db"
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
    kept = Counter(edge.parent for edge in edges)
    assert names <= set(kept), "answered and lost"
    assert set(kept.values()) == {2}, "half of a transaction"
