"""Rows of the ledger by days: all of them, none twice, whatever a page holds; and which days are meant."""

from datetime import date

import msgspec
import pytest

from penstock.hub.costs import ranges, reading
from penstock.hub.costs.reading import Days
from penstock.model.change import Build
from penstock.model.ledger import BuildCost, Entry, Footprint, Span, Tally
from penstock.model.states import Power
from penstock.reports import costs
from tests.farms import TestFarm
from tests.ledgers import BOOKS, NOW_MS, TODAY, cost, direct, entry, ledger_farm, ms_of, tally


@pytest.fixture(autouse=True, params=[1, 2, 3, 100])
def _pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", request.param)


def rows(day: int) -> list[msgspec.Struct]:
    foot = Footprint(day=day, project="core", name="zlib", platform="linux")
    made = Build(id=f"b{day}", change="c", source="s", created_ms=ms_of(day))
    late = Build(id=f"l{day}", change="c", source="s", created_ms=ms_of(day + 1) - 1)
    other = direct(2, day=day, project="gui")
    return [
        direct(1, day=day), other, cost(f"b{day}", 1, day=day), foot, made, late,
        entry("direct", 1, day=day), entry("idle", 1, day=day),
    ]  # fmt: skip


@pytest.fixture
def farm() -> TestFarm:
    return ledger_farm(*(row for day in range(TODAY - 3, TODAY + 1) for row in rows(day)))


@pytest.mark.parametrize(("kind", "read", "each"), [
    (Tally, reading.tallies, 2), (BuildCost, reading.build_costs, 1), (Footprint, reading.footprints, 1),
    (Entry, reading.entries, 2),
])  # fmt: skip
def test_days_are_read_whole_and_once(farm: TestFarm, kind, read, each) -> None:  # type: ignore[no-untyped-def]
    for first in range(TODAY - 4, TODAY + 2):
        for end in range(first, TODAY + 3):
            found = farm.store.read(lambda tx, days=Days(first, end): list(read(tx, days)))
            there = range(max(first, TODAY - 3), min(end, TODAY + 1))
            assert [row.day for row in found] == [day for day in there for _ in range(each)]
            assert all(isinstance(row, kind) for row in found)


def test_builds_are_read_by_their_creation(farm: TestFarm) -> None:
    found = farm.store.read(lambda tx: reading.builds(tx, Days(TODAY - 2, TODAY)))
    assert sorted(found) == sorted(f"{c}{day}" for day in (TODAY - 2, TODAY - 1) for c in "bl")


def test_months_before_and_after_the_books_are_not_asked_for() -> None:
    farm = ledger_farm(direct(1), direct(2, day=TODAY - 40))
    ever = Days(ranges.FIRST, 2_900_000)
    found = farm.store.read(lambda tx: reading.summed(tx, ever, ("month",)))
    assert [(one.day, one.count) for one in found] == [(TODAY - 40, 1), (TODAY - 9, 1)]
    assert ledger_farm().store.read(lambda tx: reading.summed(tx, ever, ("month",))) == []


@pytest.mark.parametrize(
    "by", [("project",), ("month", "platform"), ("day", "class"), ("outcome", "month", "day"), ("pool",)]
)
def test_sums_of_a_long_range_give_the_same_report(by: tuple[str, ...]) -> None:
    rows = [
        direct(
            n + 1,
            day=TODAY - n,
            project="cg"[n % 2],
            outcome=("", "PASSED", "LOST")[n % 3],
            klass="xy"[n % 5 == 0],
        )
        for n in range(0, 80, 3)
    ]
    idle = [tally("idle", n, day=TODAY - n, pool="burst") for n in range(0, 80, 7)]
    farm = ledger_farm(*rows, *idle)
    days = Days(TODAY - 70, TODAY)
    whole, few = farm.store.read(lambda tx: (reading.tallies(tx, days), reading.summed(tx, days, by)))
    assert costs.report(few, by, {"burst"}) == costs.report(whole, by, {"burst"})
    assert len(few) <= len(whole)


def test_spans_are_read_by_their_end() -> None:
    days = range(TODAY - 3, TODAY + 1)
    made = [
        Span(machine=machine, from_ms=ms_of(day, hour), until_ms=ms_of(day, hour + 12), pool="rack", power=Power.UP,
             price_micros=1, amount_micros=1)
        for day in days for hour in (0, 12) for machine in ("m1", "m2")
    ]  # fmt: skip
    farm = ledger_farm(*made)
    for first in range(TODAY - 4, TODAY + 2):
        for end in range(first, TODAY + 3):
            found = farm.store.read(lambda tx, days=Days(first, end): list(reading.spans(tx, days)))
            assert sorted(found, key=lambda span: (span.from_ms, span.machine)) == [
                span for span in made if ms_of(first) <= span.from_ms < ms_of(end)
            ]


def test_until_when_the_books_are_kept(farm: TestFarm) -> None:
    assert farm.store.read(reading.entered_until_ms) is None
    assert ledger_farm(BOOKS).store.read(reading.entered_until_ms) == NOW_MS


def test_rented_pools_are_paid_by_use(farm: TestFarm) -> None:
    assert reading.paid_by_use(farm.hub.rules) == {"burst"}


def test_days_that_are_not_said(farm: TestFarm) -> None:
    def said(*days: object, **more: int) -> tuple[str, str]:
        return tuple(ranges.range_document(ranges.days_of(farm.hub, *days, **more)).values())  # type: ignore[arg-type, return-value]

    assert said(None, None) == ("2026-11-01", "2026-11-10")
    assert said(None, date(2026, 9, 30)) == ("2026-09-01", "2026-09-30")
    assert said(date(2026, 9, 30), None) == ("2026-09-30", "2026-11-10")
    assert said(None, None, days=28) == ("2026-10-14", "2026-11-10")
    assert said(None, date.min, days=28) == ("0001-01-01", "0001-01-01")
    assert said(date.min, date.max) == ("0001-01-01", "9999-12-31")
