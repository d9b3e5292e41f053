"""The stores that there are, each through the whole suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.store_concurrency import ConcurrencySuite
from conformance.store_suite import Driver, StoreSuite

from penstock.store.memory import MemoryStore
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
