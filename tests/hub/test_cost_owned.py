"""What owned machines cost beside rented ones, and what was used: documents from a small ledger."""

from typing import Any

import msgspec

from penstock.hub.costs.reading import Days
from penstock.hub.costs.tco import Measured, owned_document, tco
from penstock.hub.costs.use import use, uses_of
from penstock.model.ledger import Ledger, Span
from penstock.model.rules import Pool, Rules, Tco
from penstock.model.states import Power
from penstock.reports.reprice import Shared, Use
from tests.farms import TestFarm
from tests.ledgers import NOW_MS, TODAY, ms_of, tally, write

HOUR_MS = 3_600_000
LINUX = ("linux",)
EXAMPLE = Tco(
    purchase_micros=12_000_000_000, residual_ppm=50_000, watts=450, pue_ppm=1_500_000, kwh_price_micros=150_000,
    colo_per_month_micros=108_000_000, staff_minutes_per_month=120, staff_per_hour_micros=75_000_000,
    spares_ppm=30_000, network_per_month_micros=30_000_000,
)  # fmt: skip
RACK = Pool(name="rack", provider="owned", platforms=LINUX, machines=2, slots=16, tco=EXAMPLE, price_per_hour_micros=797_140)  # fmt: skip
CLOUD = Pool(name="cloud", provider="ec2", platforms=("mac", "linux"), slots=4, price_per_hour_micros=768_000)
MAC = Pool(name="mac", provider="ec2", platforms=("mac",), price_per_hour_micros=1)
RULES = Rules(pools=(RACK, CLOUD, MAC))
BOOKS = Ledger(position=1, day=TODAY, from_ms=ms_of(TODAY - 40), until_ms=NOW_MS)


def farm_of(*records: msgspec.Struct, rules: Rules = RULES) -> TestFarm:
    farm = TestFarm(rules)
    farm.clock.wall = NOW_MS
    write(farm.store, *records)
    return farm


def held(pool: str, hours: float, units: float, **about: Any) -> msgspec.Struct:
    return tally("direct", units, pool=pool, day=TODAY - 1, quantity=int(hours * HOUR_MS), **about)


def test_the_example_of_the_documentation() -> None:
    document = owned_document(RULES, Measured())
    (pool,) = document["pools"]
    assert (document["since"], document["until"], pool["use"], pool["slot_hour"]) == (None, None, None, None)
    assert (pool["a_year"], pool["an_hour"], pool["all_a_year"]) == (
        "6982.950000",
        "0.797140",
        "13965.900000",
    )
    assert pool["parts"] == {
        "depreciation": "2280.000000", "power": "886.950000", "colocation": "1296.000000", "staff": "1800.000000",
        "spares": "360.000000", "network": "360.000000",
    }  # fmt: skip
    assert (pool["by_use"]["10"], pool["by_use"]["50"]) == ("0.498213", "0.099643")
    assert pool["against"] == [
        {"pool": "cloud", "slot_hour": "0.192000", "break_even": 0.259486, "paid_slot_hour": None, "break_even_paid": None}
    ]  # fmt: skip


def test_use_is_measured_over_whole_days() -> None:
    found = [BOOKS, held("rack", 28 * 24 * 32 / 4, 0), held("cloud", 10, 3), tally("idle", 1.8, pool="cloud", day=TODAY - 2)]  # fmt: skip
    found += [tally("direct", 99, pool="rack", day=TODAY, quantity=99 * HOUR_MS)]
    document = tco(farm_of(*found).hub)
    (pool,) = document["pools"]
    assert (document["since"], document["until"]) == ("2026-10-13", "2026-11-09")
    assert (pool["use"], pool["slot_hour"]) == (0.25, "0.199285")
    (cloud,) = pool["against"]
    assert (cloud["paid_slot_hour"], cloud["break_even_paid"]) == ("0.480000", 0.103794)


def test_speeds_count() -> None:
    rules = Rules(pools=(msgspec.structs.replace(RACK, speed=2.0), msgspec.structs.replace(CLOUD, speed=0.5)))
    (pool,) = owned_document(rules, Measured(days=Days(0, 1), held_ms={"cloud": HOUR_MS}, amount_micros={"cloud": 10**6}))["pools"]  # fmt: skip
    assert (pool["against"][0]["slot_hour"], pool["against"][0]["paid_slot_hour"]) == ("0.768000", "4.000000")
    assert (pool["use"], pool["slot_hour"]) == (0.0, None)


def test_a_pool_with_a_price_alone_and_one_without_machines() -> None:
    plain = Pool(name="plain", provider="owned", platforms=("x",), price_per_hour_micros=100_000)
    (pool,) = tco(farm_of(BOOKS, rules=Rules(pools=(plain,))).hub)["pools"]
    assert (pool["a_year"], pool["parts"], pool["use"], pool["against"]) == ("876.000000", {}, None, [])


def test_without_books_nothing_is_measured() -> None:
    assert tco(farm_of().hub)["since"] is None


def span(hours: float, pool: str = "cloud", day: int = TODAY - 1, **about: Any) -> Span:
    values = {"machine": f"m{hours}", "power": Power.UP, "price_micros": 1, "amount_micros": 0} | about
    from_ms = ms_of(day, 24 - hours)
    return Span(
        pool=pool, from_ms=from_ms, until_ms=ms_of(day, 24), counted_ms=int(hours * HOUR_MS), **values
    )  # type: ignore[arg-type]


def test_what_was_used_on_whole_days() -> None:
    found = [
        BOOKS,
        span(3, extra_micros=500_000),
        span(2, power=Power.BOOTING, day=TODAY - 2),
        span(5, power=Power.SUSPENDED),
        span(4, "old", count=2),
        span(7, day=TODAY - 3),
        span(1, day=TODAY),
        tally("direct", 2, pool="cloud", day=TODAY - 1, quantity=5000),
        tally("lifecycle", 1, pool="cloud", day=TODAY - 2, quantity=9),
        tally("egress", 0.5, pool="cloud", day=TODAY - 1, quantity=10**9),
        tally("overhead", 8, day=TODAY - 1),
        tally("storage", 4, day=TODAY - 1, quantity=7),
        tally("direct", 64, pool="cloud"),
    ]
    document = use(farm_of(*found).hub, Days(TODAY - 2, TODAY + 1))
    assert (document["since"], document["until"], document["days"]) == ("2026-11-08", "2026-11-09", 2)
    assert uses_of(document) == (
        [
            Use(
                pool="cloud", platforms=("mac", "linux"), slots=4, running_ms=5 * HOUR_MS, stopped_ms=5 * HOUR_MS,
                held_ms=5000, egress_bytes=10**9, machine_micros=3_000_000, rounding_micros=500_000, egress_micros=500_000,
            ),
            Use(pool="old", running_ms=8 * HOUR_MS),
        ],
        Shared(charges_micros=8_000_000, storage_micros=4_000_000, storage_byte_days=7),
    )  # fmt: skip


def test_days_that_are_in_no_book() -> None:
    found = [BOOKS, span(3)]
    assert use(farm_of().hub, Days(TODAY - 5, TODAY))["days"] == 0
    assert use(farm_of(*found).hub, Days(0, TODAY + 9))["days"] == 40
    assert use(farm_of(*found).hub, Days(TODAY, TODAY + 9))["days"] == 0


def test_many_spans_are_read_in_pages(monkeypatch: Any) -> None:
    monkeypatch.setattr("penstock.hub.costs.use.PAGE", 2)
    found = [span(n / 4, day=TODAY - n % 3 - 1) for n in range(1, 12)]
    document = use(farm_of(BOOKS, *found).hub, Days(TODAY - 3, TODAY))
    assert document["pools"][0]["running_s"] == 3600 * sum(range(1, 12)) / 4
