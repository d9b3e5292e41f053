"""Budgets and credits from a ledger whose sums can be done by hand."""

from decimal import Decimal
from typing import Any

import msgspec

from penstock.hub.costs.budgets import budgets
from penstock.hub.costs.grants import grants
from penstock.model.ledger import Ledger, Meter
from penstock.model.rules import Budget, Grant, Pool, Rules
from penstock.model.states import Power
from tests.farms import TestFarm
from tests.ledgers import NOW_MS, TODAY, ms_of, tally, write

HOUR_MS = 3_600_000
LINUX = ("linux",)
POOLS = (
    Pool(name="rack", provider="owned", platforms=LINUX, machines=2, price_per_hour_micros=100_000),
    Pool(name="azure", provider="ec2", platforms=LINUX, slots=2, price_per_hour_micros=400_000),
    Pool(name="aws", provider="ec2", platforms=LINUX, slots=4, speed=0.5, price_per_hour_micros=500_000),
)
AZURE = Grant(name="azure-2026", amount=Decimal(600), currency="USD", start="2026-10-01", until="2026-11-30", pools=("azure",))  # fmt: skip
AWS = Grant(name="aws-2027", amount=Decimal(9000), currency="USD", start="2026-12-01", until="2027-11-30", pools=("aws",))  # fmt: skip
MONEY = Budget(name="money", amount=Decimal(100), per="month")
MINUTES = Budget(name="minutes", amount=Decimal(1000), unit="minutes", per="year", pools=("azure",), factor_ppm=2_000_000)  # fmt: skip
BOOKS = Ledger(position=1, day=TODAY, from_ms=ms_of(TODAY - 40, 12), until_ms=NOW_MS)


def farm_of(*records: msgspec.Struct, **about: Any) -> TestFarm:
    farm = TestFarm(Rules(pools=POOLS, **about))
    farm.clock.wall = NOW_MS
    write(farm.store, *records)
    return farm


def daily(units: float, pool: str = "azure", days: int = 28, **about: Any) -> list[msgspec.Struct]:
    """So much on each of the last days, today not included."""
    return [tally("direct", units, pool=pool, day=TODAY - n, quantity=HOUR_MS, **about) for n in range(1, days + 1)]  # fmt: skip


def test_how_budgets_stand() -> None:
    found = [BOOKS, *daily(4), tally("overhead", 6)]
    document = budgets(farm_of(*found, budgets=(MONEY, MINUTES)).hub)
    money, minutes = document["budgets"]
    assert (document["today"], document["rate_days"], document["entered_until_s"]) == ("2026-11-10", 28, NOW_MS / 1000)  # fmt: skip
    assert money == {
        "name": "money", "unit": "money", "per": "month", "pools": [], "period": "2026-11", "from": "2026-11-01",
        "until": "2026-11-30", "amount": "100", "used": "42.000000", "left": "58.000000", "share": 0.42,
        "a_day": "4.000000", "used_up_on": "2026-11-25", "known_from": None,
    }  # fmt: skip
    assert (minutes["used"], minutes["left"], minutes["a_day"]) == (
        "3360.000000",
        "-2360.000000",
        "120.000000",
    )
    assert (minutes["period"], minutes["used_up_on"], minutes["known_from"]) == ("2026", "2026-11-10", "2026-10-01")  # fmt: skip


def test_without_books_nothing_is_used() -> None:
    document = budgets(farm_of(budgets=(MONEY,)).hub)
    assert (document["entered_until_s"], document["rate_days"]) == (None, 0)
    assert document["budgets"][0]["used"] == "0.000000"
    assert document["budgets"][0]["used_up_on"] is None
    assert budgets(farm_of(BOOKS).hub)["budgets"] == []


def test_what_has_run_up_since_counts_at_once() -> None:
    """Nothing of a machine that stays up is entered before midnight."""
    meter = Meter(
        machine="m", pool="azure", power=Power.UP, since_ms=NOW_MS - 3 * HOUR_MS, price_micros=400_000
    )
    farm = farm_of(BOOKS, meter, budgets=(MONEY,), grants=(AZURE,))
    assert budgets(farm.hub)["budgets"][0]["used"] == "1.200000"
    assert grants(farm.hub)["grants"][0]["used"] == "1.200000"


def test_days_that_no_hub_entered_are_not_taken_for_quiet_ones() -> None:
    """The hub was away for four days: the rate is that of the days before."""
    away = msgspec.structs.replace(BOOKS, day=TODAY - 4, until_ms=ms_of(TODAY - 4))
    found = [tally("direct", 3, pool="azure", day=TODAY - n) for n in range(5, 33)]
    farm = farm_of(away, *found, budgets=(MONEY,), grants=(AZURE,))
    document = grants(farm.hub)
    assert (budgets(farm.hub)["budgets"][0]["a_day"], document["rate_days"]) == ("3.000000", 28)
    assert document["plan"]["stretches"][0]["amount"] == "63.000000"  # of today and twenty days more


def test_a_pool_that_is_gone_costs_nothing_from_now_on() -> None:
    sponsor = Grant(name="all", amount=Decimal(9), currency="USD", start="2026-10-01", until="2026-11-30")
    document = grants(farm_of(BOOKS, *daily(2, "old"), grants=(sponsor,)).hub)
    assert (document["credits"], document["cash"]) == ("9.000000", "47.000000")
    assert document["plan"]["stretches"] == []


def test_credits_cash_and_owned_machines_are_three_numbers() -> None:
    found = [BOOKS, *daily(25), *daily(1, "rack"), tally("overhead", 30, day=TODAY - 3)]
    document = grants(farm_of(*found, grants=(AZURE, AWS)).hub)
    assert document["since"] == "2026-10-01"
    assert (document["cost"], document["credits"], document["cash"]) == (
        "730.000000",
        "600.000000",
        "130.000000",
    )
    assert document["own"] == "28.000000"


def test_a_grant_that_is_used_up_and_one_that_comes() -> None:
    document = grants(farm_of(BOOKS, *daily(25), grants=(AZURE, AWS)).hub)
    azure, aws = document["grants"]
    assert azure == {
        "name": "azure-2026", "currency": "USD", "from": "2026-10-01", "until": "2026-11-30", "pools": ["azure"],
        "state": "used up", "amount": "600.000000", "used": "600.000000", "left": "0.000000", "a_day": "21.428571",
        "used_up_on": "2026-11-05", "ends_unused": "0.000000", "known_from": None,
    }  # fmt: skip
    assert (aws["state"], aws["left"], aws["a_day"], aws["ends_unused"]) == (
        "coming", "9000.000000", "0.000000", "9000.000000",
    )  # fmt: skip


def test_the_plan_says_what_must_move_when() -> None:
    document = grants(farm_of(BOOKS, *daily(10), grants=(AZURE, AWS)).hub)
    azure = document["grants"][0]
    assert (azure["state"], azure["left"], azure["used_up_on"]) == ("paying", "320.000000", None)
    assert (
        azure["ends_unused"] == "110.000000"
    )  # 21 days of November at 10 a day are to come, today among them
    stays, moved = document["plan"], document["plan_with_moves"]
    assert stays["moves"] == []
    assert stays["stretches"] == [
        {"pool": "azure", "paid_by": "azure-2026", "from": "2026-11-10", "until": "2026-11-30", "amount": "210.000000", "a_month": "304.166667"},
        {"pool": "azure", "paid_by": None, "from": "2026-12-01", "until": None, "amount": "3660.000000", "a_month": "304.166667"},
    ]  # fmt: skip
    assert moved["moves"] == [
        {"on": "2026-12-01", "pool": "azure", "to": "aws", "grant": "aws-2027", "price_ratio": 1.25}
    ]
    assert [(one["pool"], one["paid_by"], one["until"]) for one in moved["stretches"]] == [
        ("azure", "azure-2026", "2026-11-30"), ("aws", "aws-2027", "2027-11-30"), ("aws", None, None),
    ]  # fmt: skip
    assert (stays["cash"], moved["cash"]) == ("3660.000000", "12.500000")


def test_when_a_credit_is_used_up_and_since_when_it_is_known() -> None:
    older = msgspec.structs.replace(AZURE, start="2026-09-01")
    (line,) = grants(farm_of(BOOKS, *daily(20), grants=(older,)).hub)["grants"]
    assert (line["used_up_on"], line["ends_unused"], line["known_from"]) == ("2026-11-11", "0.000000", "2026-10-01")  # fmt: skip


def test_grants_that_ended_or_last_for_years() -> None:
    gone = Grant(name="gone", amount=Decimal(5), currency="USD", start="2026-10-01", until="2026-10-31")
    long = Grant(name="long", amount=Decimal(5), currency="USD", start="2026-10-01", until="2099-12-31", pools=("rack",))  # fmt: skip
    document = grants(farm_of(BOOKS, *daily(1, "rack"), grants=(gone, long)).hub)
    first, last = document["grants"]
    assert (first["state"], first["left"], first["ends_unused"]) == ("ended", "5.000000", "5.000000")
    assert (last["state"], last["ends_unused"], document["own"]) == ("used up", None, "0.000000")


def test_without_grants_or_books() -> None:
    document = grants(farm_of().hub)
    assert (document["grants"], document["cost"], document["rate_days"]) == ([], "0.000000", 0)
    assert document["plan"]["stretches"] == []
