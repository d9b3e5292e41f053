"""What was metered beside what was billed: residuals, shares, and when it is an alarm."""

from decimal import Decimal

import pytest

from penstock.reports.reconciliation import Books, Compared, Standing, by_pool, compared, is_alarm, percent

BOOKS = Books(10, 20)
BILLED = {(12, "p"): Decimal(100), (13, "p"): Decimal("10.5"), (14, "p"): Decimal(0), (12, ""): Decimal(7)}


def standings(metered: dict[tuple[int, str], int], books: Books = BOOKS) -> dict[tuple[int, str], str]:
    return {(row.day, row.pool): str(row.standing) for row in compared(metered, BILLED, books)}


def test_each_day_of_a_pool_says_how_it_stands() -> None:
    metered = {
        (12, "p"): 95_000_000,
        (13, "p"): 9_974_999,
        (14, "p"): 0,
        (15, "p"): 4,
        (12, "own"): 5,
        (12, ""): 9,
        (13, "q"): 0,
    }
    assert standings(metered) == {
        (12, "own"): "no bill",
        (12, "p"): "agrees",
        (13, "p"): "alarm",
        (15, "p"): "not billed yet",
    }


def test_days_that_the_ledger_has_not_in_full_are_not_compared() -> None:
    assert set(standings({}, Books(13, 14)).values()) == {"not metered", "alarm"}
    assert set(standings({}, Books(0, 0)).values()) == {"not metered"}
    assert standings({}, Books(0, 13)) == {(12, "p"): "alarm", (13, "p"): "not metered"}


def test_what_was_metered_and_never_billed_is_an_alarm() -> None:
    assert standings({(14, "p"): 1})[14, "p"] == "alarm"


def test_residual_and_share() -> None:
    (row,) = compared({(12, "p"): 95_000_001}, {(12, "p"): Decimal("100.0000000004")}, BOOKS)
    assert (row.residual, row.percent) == (Decimal("4.9999990004"), Decimal("5.00"))
    assert row.standing == Standing.AGREES
    nothing = Compared(pool="p", metered=Decimal(1), billed=Decimal(0), standing=Standing.ALARM)
    assert nothing.percent is None


@pytest.mark.parametrize(
    ("residual", "billed", "alarm"),
    [("5", "100", False), ("5.01", "100", True), ("-5.01", "100", True), ("-6", "-100", True), ("0", "0", False), ("1", "0", True)],
)  # fmt: skip
def test_alarm_above_five_percent(residual: str, billed: str, alarm: bool) -> None:
    assert is_alarm(Decimal(residual), Decimal(billed)) is alarm


def test_shares_of_very_different_amounts() -> None:
    assert percent(Decimal(1), Decimal(3)) == Decimal("33.33")
    assert percent(Decimal("1E+100"), Decimal("1E-11")) == Decimal("1E+113")


def test_pools_are_added_up_over_days_that_were_compared() -> None:
    metered = {(12, "p"): 100_000_000, (13, "p"): 0, (15, "p"): 4, (12, "own"): 5}
    own, pool = by_pool(compared(metered, BILLED, BOOKS))
    assert (own.pool, own.days, own.standing) == ("own", 0, Standing.NEVER_BILLED)
    assert (pool.days, pool.metered, pool.billed) == (2, Decimal(100), Decimal("110.5"))
    assert (pool.residual, pool.percent, pool.standing) == (Decimal("10.5"), Decimal("9.50"), Standing.ALARM)
    (agreeing,) = by_pool(compared({(12, "p"): 100_000_000}, {(12, "p"): Decimal(100)}, BOOKS))
    assert agreeing.standing == Standing.AGREES
