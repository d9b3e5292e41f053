"""What credits pay from now on: Azure's end in March, AWS's begin in April."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.rules import Grant
from penstock.reports.costs import day_number
from penstock.reports.credit_plan import CASH, HORIZON_DAYS, Move, Now, Place, end_of, plan, with_moves
from penstock.reports.credits import credits_of

UNIT = 1_000_000


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def grant(name: str, amount: int, start: str, until: str, *pools: str) -> Grant:
    return Grant(name=name, amount=Decimal(amount), currency="USD", start=start, until=until, pools=pools)


def now(today: str, rates: dict[str, int], *grants: Grant, **left: int) -> Now:
    known = credits_of(grants, own=["own"])
    return Now(
        today=day(today),
        credits=tuple(known),
        left={one.name: one.amount_micros for one in known} | {k: n * UNIT for k, n in left.items()},
        days={pool: [rate * UNIT] * (end_of(known, day(today)) - day(today)) for pool, rate in rates.items()},
    )


def place(pool: str, price: int = 1, platforms: str = "linux", trust: str = "both") -> Place:
    return Place(
        pool=pool,
        platforms=frozenset(platforms.split()),
        trust=frozenset(trust.split()),
        slot_hour=Fraction(price),
    )


AZURE = grant("azure", 10_000, "2026-04-01", "2027-03-31", "azure")
AWS = grant("aws", 12_000, "2027-04-01", "2028-03-31", "aws")


def told(found: object) -> list[tuple[str, str, int, int]]:
    return [(one.pool, one.payer, one.first, one.last) for one in found.stretches]  # type: ignore[attr-defined]


def test_azure_credits_end_in_march_and_aws_credits_begin() -> None:
    start = now("2027-01-01", {"azure": 20}, AZURE, AWS, azure=5000)
    found = plan(start)
    assert told(found) == [
        ("azure", "azure", day("2027-01-01"), day("2027-03-31")),
        ("azure", CASH, day("2027-04-01"), day("2028-04-01")),
    ]
    assert found.stretches[0].amount_micros == 90 * 20 * UNIT
    assert [one.is_open for one in found.stretches] == [False, True]
    assert found.unused_micros == {"azure": (5000 - 1800) * UNIT, "aws": 12_000 * UNIT}
    assert found.cash_micros == 367 * 20 * UNIT

    moved = with_moves(start, [place("azure", 4), place("aws", 5)])
    assert moved.moves == (
        Move(pool="azure", to="aws", on=day("2027-04-01"), grant="aws", ratio=Fraction(5, 4)),
    )
    assert told(moved) == [
        ("azure", "azure", day("2027-01-01"), day("2027-03-31")),
        ("aws", "aws", day("2027-04-01"), day("2028-03-31")),
        ("aws", CASH, day("2028-04-01"), day("2028-04-01")),
    ]
    assert moved.stretches[1].a_day == 25 * UNIT
    assert moved.unused_micros["aws"] == (12_000 - 366 * 25) * UNIT


def test_a_credit_that_is_used_up_is_followed_by_cash_until_the_next_one() -> None:
    start = now("2027-01-01", {"azure": 20}, AZURE, AWS, azure=1010)
    moved = with_moves(start, [place("azure"), place("aws")])
    assert told(moved)[:2] == [
        ("azure", "azure", day("2027-01-01"), day("2027-02-20")),
        ("azure", CASH, day("2027-02-20"), day("2027-03-31")),
    ]
    assert moved.moves[0].on == day("2027-04-01")
    assert moved.stretches[1].amount_micros == (39 * 20 + 10) * UNIT


def test_nothing_moves_where_nothing_else_serves_the_same() -> None:
    start = now("2027-01-01", {"azure": 20}, AZURE, AWS)
    for other in (place("aws", platforms="mac"), place("aws", trust="trusted")):
        assert with_moves(start, [place("azure"), other]).moves == ()
    assert with_moves(start, [place("aws")]).moves == ()  # nothing is known of the pool itself


def test_nobody_moves_for_a_few_days() -> None:
    start = now("2027-01-01", {"azure": 20}, AZURE, AWS, aws=139)
    assert with_moves(start, [place("azure"), place("aws")]).moves == ()
    enough = now("2027-01-01", {"azure": 20}, AZURE, AWS, aws=140)
    assert len(with_moves(enough, [place("azure"), place("aws")]).moves) == 1


def test_work_moves_back_when_the_next_credit_is_where_it_came_from() -> None:
    again = grant("azure-2028", 20_000, "2028-04-01", "2029-03-31", "azure")
    moved = with_moves(
        now("2027-01-01", {"azure": 20}, AZURE, AWS, again), [place("azure", 0), place("aws", 3)]
    )
    assert [(move.pool, move.to, move.on, move.grant) for move in moved.moves] == [
        ("azure", "aws", day("2027-04-01"), "aws"),
        ("aws", "azure", day("2028-04-01"), "azure-2028"),
    ]
    assert moved.moves[0].ratio == 1  # without a price here nothing is known of the ratio
    assert moved.unused_micros["azure-2028"] == 20_000 * UNIT  # a price of 0 there


def test_of_several_places_the_one_that_is_paid_soonest_is_taken_then_the_cheapest() -> None:
    gce = grant("gce", 9000, "2027-04-01", "2027-12-31", "gce", "gce-big")
    start = now("2027-01-01", {"azure": 20}, AZURE, AWS, gce)
    found = with_moves(start, [place("azure"), place("gce", 3), place("gce-big", 2), place("aws", 4)])
    assert (found.moves[0].to, found.moves[0].grant) == ("gce-big", "gce")
    assert found.moves[1].to == "aws"


def test_a_plan_without_credits_is_cash_from_today() -> None:
    found = plan(now("2028-05-01", {"azure": 20}, AZURE))
    assert told(found) == [("azure", CASH, day("2028-05-01"), day("2028-05-02"))]
    assert found.unused_micros == {}
    assert plan(now("2028-05-01", {})).stretches == ()


def test_nobody_plans_for_ever() -> None:
    found = plan(now("2026-05-01", {"azure": 1}, grant("long", 10**9, "2026-01-01", "9999-12-31")))
    assert found.end - found.first == HORIZON_DAYS
    assert found.stretches[0].is_open


def test_moves_come_to_an_end() -> None:
    pools = ("a", "b")
    grants = [
        grant(f"g{n:02d}", 100_000, f"{2027 + n // 12}-{n % 12 + 1:02d}-01", f"{2027 + n // 12}-{n % 12 + 1:02d}-28", pools[n % 2])
        for n in range(30)
    ]  # fmt: skip
    found = with_moves(now("2027-01-01", {"a": 10}, *grants), [place("a"), place("b")])
    assert len(found.moves) == 20


@given(
    st.dictionaries(st.sampled_from(["azure", "aws", "other"]), st.integers(0, 300), max_size=3),
    st.integers(0, 10_000),
    st.integers(0, 12_000),
)
def test_what_a_plan_pays_is_what_pools_cost(rates: dict[str, int], azure: int, aws: int) -> None:
    start = now("2027-01-01", rates, AZURE, AWS, azure=azure, aws=aws)
    found = plan(start)
    whole = sum(rates.values()) * UNIT * (found.end - found.first)
    assert sum(one.amount_micros for one in found.stretches) == whole
    moved = with_moves(start, [place("azure"), place("aws")])
    assert moved.cash_micros <= found.cash_micros
