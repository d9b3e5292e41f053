"""Long lists in pages, from either end. Random searches of every store: conformance/store_model.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.samples import job

from penstock.model.job import Job
from penstock.ports import Store
from penstock.store.memory import MemoryStore
from penstock.store.sql import SqliteStore

MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder / "farm.db"),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path)
    made.write(lambda tx: [tx.insert(job(name, build="b")) for name in "abc"])
    made.write(lambda tx: tx.insert(job("d", build="other")))
    yield made
    made.close()


def page(store: Store, after: tuple[Any, ...], backwards: bool) -> list[str]:
    found = store.read(lambda tx: tx.find(Job, "build", "b", True, limit=2, after=after, backwards=backwards))
    return [row.id for row in found]


def test_pages_follow_one_another_both_ways(store: Store) -> None:
    assert [page(store, after, False) for after in ((), ("b",), ("c",))] == [["a", "b"], ["c"], []]
    assert [page(store, after, True) for after in ((), ("b",), ("a",))] == [["c", "b"], ["a"], []]


def test_a_place_in_an_order_that_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="ordered by"):
        page(store, ("a", "b"), False)
