"""How fast something is used: the mean of the last whole days."""

from collections.abc import Mapping
from fractions import Fraction

WINDOW_DAYS = 28
"""Four whole weeks: every weekday counts the same."""
MONTHS_A_YEAR = 12
DAYS_A_YEAR = 365


def pace(daily: Mapping[int, int], first: int, today: int) -> Fraction:
    """What is used a day: the mean of the last 28 days before `today`, of fewer where `first`, the first that is known as a
    whole, is later; 0 where there is none. Days are counted from 1970-01-01; a day that `daily` lacks used nothing."""
    begin = max(first, today - WINDOW_DAYS)
    days = today - begin
    return Fraction(sum(daily.get(day, 0) for day in range(begin, today)), days) if days > 0 else Fraction()


def per_month(a_day: Fraction) -> Fraction:
    """A daily amount as people compare it: of a twelfth of 365 days."""
    return a_day * DAYS_A_YEAR / MONTHS_A_YEAR
