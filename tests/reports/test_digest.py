"""The letter of the morning: narrow lines, plain words, and nothing where nothing is known."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from penstock.reports.digest import COLUMNS, WEEKS, text, usual_micros

EMPTY: dict[str, Any] = {
    "farm": "lighthouse", "currency": "EUR", "day": "2026-11-19", "entered_until_s": None, "spent": "0.000000",
    "usual": "0.000000", "weeks": 0, "pools": [], "movers": [], "waste": [], "credits": [], "budgets": [],
    "forecast": None, "guards": [], "bills": None, "missing": [],
}  # fmt: skip
GRANT = {
    "name": "aws-2026", "amount": "9000.000000", "used": "8123.450000", "left": "876.550000", "a_day": "41.200000",
    "until": "2026-12-31", "state": "paying", "used_up_on": "2026-12-10", "ends_unused": None,
}  # fmt: skip
YEAR = {"expected": "7287.229724", "p10": "7100", "p50": "7280", "p90": "7400"}
WHOLE = EMPTY | {
    "entered_until_s": 1_795_187_496.0,
    "spent": "1257.835",
    "usual": "1000.000000",
    "weeks": 8,
    "pools": [
        {"pool": "burst", "spent": "1210.500000", "usual": "1100.000000", "weeks": 8},
        {"pool": "", "spent": "40.000000", "usual": "0.000000", "weeks": 8},
        {"pool": "new", "spent": "7.335000", "usual": "0.000000", "weeks": 0},
    ],
    "movers": [
        {"pool": "burst", "project": "core", "change": "110.5", "cause": "quantity"},
        {"pool": "", "project": "", "change": "-3", "cause": "price"},
    ],
    "waste": [
        {"kind": "idle", "amount": "44.585989", "share": 0.77, "what": "machines that nobody held"},
        {"kind": "lost", "amount": "0.000000", "share": 0.0, "what": "attempts that the farm lost"},
        {"kind": "flaky", "amount": "1", "share": None, "what": "failed and passed, unchanged"},
    ],
    "credits": [
        GRANT,
        GRANT | {"name": "lasts", "used_up_on": None, "ends_unused": "100"},
        GRANT | {"name": "far", "used_up_on": None},
        GRANT | {"name": "next", "state": "coming"},
    ],
    "budgets": [
        {"name": "hosting", "unit": "money", "period": "2026-11", "used": "925.8", "amount": "1900", "used_up_on": None},
        {"name": "mac", "unit": "minutes", "period": "2026", "used": "5", "amount": "9", "used_up_on": "2026-11-29"},
    ],
    "forecast": {
        "this_year": YEAR, "next_year": YEAR | {"p10": None, "p50": None, "p90": None}, "rate_per_day": "57.853668",
        "window_days": 28, "data_through": "2026-11-19",
    },
    "guards": [{"name": "cap", "state": "armed", "reason": "forecast over 100 %", "next": "fires in 17 h"}],
    "bills": {"month": "2026-10", "billed": "265.79", "metered": "262.95", "residual": "2.84", "alarms": 2},
    "missing": ["what is usual for a weekday: the books are too young"],
}  # fmt: skip

LETTER = """\
lighthouse: what Thursday 2026-11-19 cost, in EUR

  1,257.84 in all. Usual for a Thursday: 1,000.00, the median of 8 weeks.

  pool                               spent       usual
  burst                           1,210.50    1,100.00       +10 %
  (no pool)                          40.00        0.00
  new                                 7.34           -

MOVED MOST, against the same day a week before
  burst, core                      +110.50  more was used
  (no pool)                          -3.00  prices fell

WASTE
  idle               44.59      77%
      machines that nobody held
  flaky               1.00
      failed and passed, unchanged

CREDITS
  aws-2026: 8,123.45 of 9,000.00 used, 876.55 left; paying, ends 2026-12-31
      at 41.20 a day it is used up on 2026-12-10
  lasts: 8,123.45 of 9,000.00 used, 876.55 left; paying, ends 2026-12-31
      at 41.20 a day it lasts until it ends: 100.00 of it will be lost
  far: 8,123.45 of 9,000.00 used, 876.55 left; paying, ends 2026-12-31
      at 41.20 a day it lasts until it ends
  next: 8,123.45 of 9,000.00 used, 876.55 left; coming, ends 2026-12-31

BUDGETS
  hosting, 2026-11: 925.80 of 1,900.00 used
  mac, 2026: 5.00 of 9.00 minutes used; used up on 2026-11-29 at this rate

FORECAST
  this year: 7,287.23; 8 times of 10 between 7,100.00 and 7,400.00
  next year: 7,287.23
  from 57.85 a day, the last 28 days through 2026-11-19

GUARDS that are not on standby
  cap is armed: forecast over 100 %
      fires in 17 h

BILLS
  2026-10: 265.79 billed, 262.95 metered in the same pools and days; +2.84 is
    not explained; 2 days to look at

NOT IN THIS LETTER
  what is usual for a weekday: the books are too young

Entered until 2026-11-20 15:11 UTC; days are UTC.
The rows behind each figure: `penstock costs entries`.
"""


def test_a_whole_letter() -> None:
    assert text(WHOLE) == LETTER


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert text(EMPTY) == (
        "lighthouse: what Thursday 2026-11-19 cost, in EUR\n\n  0.00 in all.\n\n"
        "Nothing is entered yet.\nThe rows behind each figure: `penstock costs entries`.\n"
    )


def test_one_day_of_a_bill() -> None:
    bills = WHOLE["bills"]
    assert "; 1 day to look at" in text(EMPTY | {"bills": bills | {"alarms": 1}})
    assert "look at" not in text(EMPTY | {"bills": bills | {"alarms": 0}})


NAMES = st.text(max_size=120)


@example("", "", 0)
@example("", "", 10**15)
@example("\x1b[2J\r\n", "a" * 200, -1)
@given(NAMES, NAMES, st.integers(-(10**15), 10**15))
def test_no_line_is_long_and_names_are_no_commands(name: str, other: str, micros: int) -> None:
    amount = f"{micros / 1_000_000:.6f}"
    letter = text(
        WHOLE
        | {
            "pools": [
                {"pool": name, "spent": amount, "usual": "3.0", "weeks": 1},
                {"pool": other, "spent": amount, "usual": amount, "weeks": 1},
            ],
            "movers": [{"pool": name, "project": other, "change": amount, "cause": "mix"}],
            "credits": [GRANT | {"name": name, "left": amount}],
            "guards": [{"name": other, "state": "active", "reason": name * 3, "next": other}],
            "missing": [other],
        }
    )
    lines = letter.split("\n")
    assert [line for line in lines if len(line) > COLUMNS] == []
    assert all(line.isprintable() for line in lines)
    assert not any(line.endswith(" ") for line in lines)


def test_what_is_usual_is_the_median_of_the_same_weekday() -> None:
    day = 20_000
    daily = {day - 7 * n: 10 * n for n in range(1, 12)} | {day - 1: 999, day: 5}
    assert usual_micros(daily, day, 0) == (40, WEEKS)
    assert usual_micros(daily, day, day - 21) == (20, 3)
    assert usual_micros({}, day, day - 14) == (0, 2)
    assert usual_micros(daily, day, day - 6) == (0, 0)
