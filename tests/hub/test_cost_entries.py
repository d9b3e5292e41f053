"""The rows behind numbers: all that are as asked for, each once, however small a page is."""

import itertools

import pytest

from penstock.hub.costs import entries as module
from penstock.hub.costs.entries import Wanted, entries
from penstock.hub.costs.reading import Days
from tests.farms import TestFarm
from tests.ledgers import TODAY, entry, ledger_farm

EVER = Days(0, TODAY + 99)


@pytest.fixture
def farm() -> TestFarm:
    names = itertools.product(range(TODAY - 2, TODAY + 1), ("b1", "b2"), ("m1", "m2"), ("core", "gui"))
    return ledger_farm(
        *(
            entry(
                "direct",
                1,
                day=day,
                build=build,
                machine=machine,
                project=project,
                attempt=f"a{n}",
                span_ms=n % 3,
            )
            for n, (day, build, machine, project) in enumerate(names)
        )
    )


def walked(farm: TestFarm, wanted: Wanted, limit: int) -> list[int]:
    """The numbers of all pages."""
    found, after = [], ""
    while after is not None:
        page = entries(farm.hub, wanted, limit, after)
        assert len(page["entries"]) <= limit
        assert page["amount"] == f"{len(page['entries'])}.000000"
        found += [line["seq"] for line in page["entries"]]
        after = page["next"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("looked_at", [1, 3, 1000])
@pytest.mark.parametrize(
    ("values", "days", "count"),
    [
        ({}, EVER, 24),
        ({}, Days(TODAY - 1, TODAY), 8),
        ({}, Days(TODAY + 1, TODAY + 2), 0),
        ({"build": "b1"}, EVER, 12),
        ({"build": "b1", "machine": "m1"}, EVER, 6),
        ({"machine": "m2"}, EVER, 12),
        ({"machine": "m2", "project": "gui"}, Days(TODAY, TODAY + 1), 2),
        ({"attempt": "a5"}, EVER, 1),
        ({"project": "core", "account": "direct"}, EVER, 12),
        ({"project": "nobody's"}, EVER, 0),
    ],
)
def test_all_pages_together(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch, values, days, count, limit, looked_at
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "LOOKED_AT", looked_at)
    found = walked(farm, Wanted(days, values), limit)
    assert len(found) == len(set(found)) == count
