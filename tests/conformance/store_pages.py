"""Long lists in pages, from either end. Random searches: store_model.py."""

from typing import Any

import pytest
from conformance.samples import job
from conformance.store_suite import Driver, insert

from penstock.model.job import Job
from penstock.ports import Store


def page(store: Store, after: tuple[Any, ...], backwards: bool) -> list[str]:
    found = store.read(lambda tx: tx.find(Job, "build", "b", True, limit=2, after=after, backwards=backwards))
    return [row.id for row in found]


class PagesSuite:
    """Of one build's jobs."""

    @pytest.fixture
    def listed(self, driver: Driver) -> Store:
        driver.store.write(insert(*(job(name, build="b") for name in "abc"), job("d", build="other")))
        return driver.store

    def test_pages_follow_one_another_both_ways(self, listed: Store) -> None:
        assert [page(listed, after, False) for after in ((), ("b",), ("c",))] == [["a", "b"], ["c"], []]
        assert [page(listed, after, True) for after in ((), ("b",), ("a",))] == [["c", "b"], ["a"], []]

    def test_a_page_may_begin_after_several_values(self, listed: Store) -> None:
        found = listed.read(lambda tx: tx.find(Job, "build", after=("b", True, "b")))
        assert [row.id for row in found] == ["c", "d"]
        found = listed.read(lambda tx: tx.find(Job, "build", after=("other", True, "d"), backwards=True))
        assert [row.id for row in found] == ["c", "b", "a"]

    def test_a_place_in_an_order_that_there_is_not_is_refused(self, listed: Store) -> None:
        with pytest.raises(ValueError, match="ordered by"):
            page(listed, ("a", "b"), False)
