"""Budgets: periods of the calendar, what counts, and until when what is left lasts."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Account, Tally
from penstock.model.rules import Budget
from penstock.reports.budgets import period, standing, used
from penstock.reports.costs import day_number
from penstock.reports.pace import Seen


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def tally(on: str, amount: float = 0, pool: str = "mac", minutes: float = 0, **about: object) -> Tally:
    words = {"project": "", "platform": "", "klass": "", "account": Account.DIRECT, "outcome": ""} | about
    micros, quantity = round(amount * 1_000_000), round(minutes * 60_000)
    return Tally(day=day(on), pool=pool, amount_micros=micros, quantity=quantity, **words)  # type: ignore[arg-type]


def seen(first: str, *pools: str) -> Seen:
    return Seen(first=day(first), end=day("2026-11-21"), pools=frozenset(pools or ("mac",)))


@pytest.mark.parametrize(
    ("per", "on", "name", "first", "end"),
    [
        ("month", "2026-11-21", "2026-11", "2026-11-01", "2026-12-01"),
        ("month", "2026-12-31", "2026-12", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29", "2028-02", "2028-02-01", "2028-03-01"),
        ("year", "2026-12-31", "2026", "2026-01-01", "2027-01-01"),
        ("year", "2027-01-01", "2027", "2027-01-01", "2028-01-01"),
    ],
)
def test_periods_are_those_of_the_calendar(per: str, on: str, name: str, first: str, end: str) -> None:
    assert period(per, day(on)) == (name, day(first), day(end))


def test_money_counts_every_account_of_its_pools() -> None:
    found = [
        tally("2026-11-01", 1.5),
        tally("2026-11-20", 2.25, account=Account.IDLE),
        tally("2026-11-20", 4, pool="", account=Account.OVERHEAD),
        tally("2026-11-22", 8),
        tally("2026-10-31", 16),
    ]
    assert used(Budget(name="b", amount=Decimal(9), pools=("mac",)), found, day("2026-11-21")) == Decimal(
        "3.75"
    )
    assert used(Budget(name="b", amount=Decimal(9)), found, day("2026-11-21")) == Decimal("7.75")
    assert used(Budget(name="b", amount=Decimal(9), per="year"), found, day("2026-11-22")) == Decimal("31.75")


def test_minutes_count_what_slots_were_held_by_their_factor() -> None:
    """Forty minutes of a machine whose minutes count tenfold are four hundred: gitlab#356076."""
    budget = Budget(name="b", amount=Decimal(50_000), unit="minutes", factor_ppm=10_000_000)
    found = [tally("2026-11-02", 3, minutes=40), tally("2026-11-02", 3, minutes=7, account=Account.IDLE)]
    assert used(budget, found, day("2026-11-02")) == Decimal(400)


def test_parts_of_minutes_are_kept_to_the_sixth_decimal() -> None:
    budget = Budget(name="b", amount=Decimal(1), unit="minutes")
    assert used(budget, [tally("2026-11-02", minutes=1 / 60_000)], day("2026-11-02")) == Decimal("0.000017")


def test_what_is_left_lasts_at_the_rate_of_four_weeks() -> None:
    budget = Budget(name="b", amount=Decimal(100), per="year")
    found = [tally(f"2026-11-{n:02d}", 2) for n in range(1, 21)] + [tally("2026-11-21", 40)]
    now = standing(budget, found, seen("2026-01-01"), day("2026-11-21"))
    assert (now.used, now.left, now.a_day) == (Decimal(80), Decimal(20), Decimal("1.428571"))
    assert now.used_up_on == day("2026-11-21") + 14
    assert now.period.name == "2026"


@pytest.mark.parametrize(
    ("amount", "first", "up"),
    [
        (80, "2026-11-01", "2026-11-21"),  # just used up
        (79, "2026-11-01", "2026-11-21"),  # more was used
        (95, "2026-11-01", "2026-11-29"),  # 2 a day, known since the 1st: 16 in eight days
        (98, "2026-11-01", "2026-11-30"),
        (99, "2026-11-01", None),  # lasts to the end of the month
        (100, "2026-11-21", None),  # no whole day is known: no rate
    ],
)
def test_the_day_on_which_nothing_is_left(amount: int, first: str, up: str | None) -> None:
    budget = Budget(name="b", amount=Decimal(amount))
    found = [tally(f"2026-11-{n:02d}", 2) for n in range(1, 21)] + [tally("2026-11-21", 40)]
    now = standing(budget, found, seen(first), day("2026-11-21"))
    assert now.left == amount - 80
    assert now.used_up_on == (day(up) if up else None)


def test_what_a_pool_used_that_is_gone_does_not_go_on() -> None:
    budget = Budget(name="b", amount=Decimal(100))
    found = [tally(f"2026-11-{n:02d}", 4, "old") for n in range(1, 21)] + [tally("2026-11-20", 20)]
    now = standing(budget, found, seen("2026-11-01"), day("2026-11-21"))
    assert (now.used, now.a_day, now.used_up_on) == (100, 1, day("2026-11-21"))
    more = standing(Budget(name="b", amount=Decimal(105)), found, seen("2026-11-01"), day("2026-11-21"))
    assert more.used_up_on == day("2026-11-26")


def test_minutes_that_count_nothing_last_for_ever() -> None:
    budget = Budget(name="b", amount=Decimal(1), unit="minutes", factor_ppm=0)
    now = standing(budget, [tally("2026-11-20", minutes=1000)], seen("2026-01-01"), day("2026-11-21"))
    assert (now.used, now.left, now.used_up_on) == (0, 1, None)


@given(
    st.lists(st.tuples(st.integers(0, 800), st.integers(0, 10**12), st.sampled_from(["a", "b", ""]))),
    st.sampled_from(["month", "year"]),
    st.integers(0, 800),
)
def test_what_each_pool_used_is_what_all_used(rows: list[tuple[int, int, str]], per: str, today: int) -> None:
    found = [
        Tally(day=n, pool=p, amount_micros=a, project="", platform="", klass="", account=Account.DIRECT, outcome="")
        for n, a, p in rows
    ]  # fmt: skip
    one = Budget(name="all", amount=Decimal(1), per=per)
    parts = [Budget(name=p, amount=Decimal(1), per=per, pools=(p,)) for p in ("a", "b", "")]
    assert used(one, found, today) == sum(used(part, found, today) for part in parts)
    assert used(one, reversed(found), today) == used(one, found, today)
