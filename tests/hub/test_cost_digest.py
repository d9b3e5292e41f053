"""What the letter of the morning is made of: a day beside what is usual, and how things stand."""

from dataclasses import replace
from decimal import Decimal

import msgspec

from penstock.hub.costs.digest import digest
from penstock.model.ledger import Bill, BillLine, Guarding, Ledger
from penstock.model.rules import Budget, Grant, Guard
from penstock.model.states import GuardState
from penstock.reports.digest import text
from tests.ledgers import NOW_MS, RULES, TODAY, direct, ledger_farm, ms_of, tally

MONEY = msgspec.structs.replace(
    RULES,
    budgets=(Budget(name="rent", amount=Decimal(100), pools=("burst",)),),
    grants=(
        Grant(name="aws", amount=Decimal(100), currency="USD", start="2026-11-01", until="2026-12-31"),
        Grant(name="old", amount=Decimal(100), currency="USD", start="2025-11-01", until="2025-12-31"),
    ),
    guards=(
        Guard(when="actual > 90%", hold_ms=0, then=("throttled",), name="stop"),
        Guard(when="actual > 95%", hold_ms=0, then=("owned_only",), name="more"),
    ),
)
YESTERDAY = TODAY - 1
BOOKS = Ledger(position=1, day=TODAY, from_ms=ms_of(TODAY - 40), until_ms=NOW_MS)
WEEKS = [
    *(direct(10 * week, day=YESTERDAY - 7 * week, quantity=week * 3_600_000) for week in range(1, 5)),
    direct(30, day=YESTERDAY, quantity=3 * 3_600_000),
    tally("idle", 2, day=YESTERDAY, pool="rack"),
    direct(500, day=TODAY),
]


def test_yesterday_beside_the_same_weekdays_before() -> None:
    farm = ledger_farm(
        BOOKS, *WEEKS, Guarding(name="stop", state=GuardState.PENDING, reason="rent is at 99 %")
    )
    found = digest(replace(farm.hub, rules=MONEY))
    assert (found["day"], found["spent"], found["usual"], found["weeks"]) == (
        "2026-11-09", "32.000000", "20.000000", 5,
    )  # fmt: skip
    assert found["pools"] == [
        {"pool": "burst", "spent": "30.000000", "usual": "20.000000", "weeks": 5},
        {"pool": "rack", "spent": "2.000000", "usual": "0.000000", "weeks": 5},
    ]
    assert found["movers"][0] == {
        "pool": "burst", "project": "core", "before": "10.000000", "now": "30.000000", "change": "20.000000",
        "cause": "quantity",
    }  # fmt: skip
    assert found["waste"][0]["amount"] == "2.000000"
    assert [one["name"] for one in found["credits"]] == ["aws"]
    assert [one["name"] for one in found["budgets"]] == ["rent"]
    assert [(one["name"], one["state"]) for one in found["guards"]] == [("stop", "pending")]
    assert found["forecast"]["window_days"] == 28
    assert (found["bills"], found["missing"]) == (None, [])
    assert "burst                              30.00       20.00       +50 %" in text(found)


def test_a_day_that_is_asked_for_and_not_over() -> None:
    found = digest(ledger_farm(BOOKS, *WEEKS).hub, TODAY)
    assert (found["day"], found["spent"]) == ("2026-11-10", "500.000000")
    assert found["missing"] == ["all of the day: it is not entered to its end yet"]


def test_young_books_say_that_they_are() -> None:
    young = msgspec.structs.replace(BOOKS, from_ms=ms_of(TODAY - 3))
    found = digest(ledger_farm(young, *WEEKS).hub)
    assert (found["weeks"], found["movers"]) == (0, [])
    assert found["missing"] == ["what is usual for a weekday: the books are too young"]


def test_the_month_of_the_newest_bill() -> None:
    first = TODAY - 40
    bill = Bill(
        id="b", provider="aws", account="1", first=first, end=first + 31, form="cur", currency="USD", billed="25.5",
        effective="25.5", rows=1, file="f", digest="d", taken_ms=1, lines=1, days_from=first, days_until=first + 31,
    )  # fmt: skip
    line = BillLine(bill="b", day=YESTERDAY - 14, pool="burst", billed="25.5", effective="25.5")
    found = digest(ledger_farm(BOOKS, *WEEKS, bill, line).hub)
    assert found["bills"] == {
        "month": "2026-10", "billed": "25.5", "metered": "90", "residual": "-64.5", "alarms": 3,
    }  # fmt: skip


def test_nothing_is_entered_yet() -> None:
    found = digest(ledger_farm().hub)
    assert (found["spent"], found["pools"], found["forecast"], found["entered_until_s"]) == (
        "0.000000", [], None, None,
    )  # fmt: skip
    assert found["missing"][0].startswith("anything: nothing is entered yet")
    assert "Nothing is entered yet." in text(found)
    assert digest(ledger_farm(BOOKS).hub, -(10**9))["day"] == "0001-01-01"
