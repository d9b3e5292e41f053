"""The present rate: the mean of four weeks, or of what is known."""

from fractions import Fraction

import pytest

from penstock.reports.pace import pace, per_month


@pytest.mark.parametrize(
    ("daily", "first", "found"),
    [
        ({72: 28, 99: 28}, 0, Fraction(2)),  # the oldest day that counts, and the newest
        ({71: 28, 100: 28}, 0, Fraction(0)),  # before them, and today
        ({90: 5, 99: 10}, 90, Fraction(3, 2)),  # known since ten days
        ({99: 7}, 99, Fraction(7)),
        ({99: 7}, 100, Fraction(0)),  # nothing is known as a whole
        ({99: 7}, 101, Fraction(0)),
    ],
)
def test_a_rate_is_the_mean_of_the_last_whole_days(
    daily: dict[int, int], first: int, found: Fraction
) -> None:
    assert pace(daily, first, today=100) == found


def test_a_month_is_a_twelfth_of_a_year() -> None:
    assert per_month(Fraction(12)) == 365
