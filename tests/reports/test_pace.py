"""The present rate: the mean of four weeks, or of what is known; and the days to come."""

from fractions import Fraction

import pytest

from penstock.model.rules import Season
from penstock.reports.costs import day_text
from penstock.reports.pace import Seen, coming, mean, per_month

M = 1_000_000


def seen(first: int = 0, *pools: str, **about: object) -> Seen:
    return Seen(first=first, end=100, pools=frozenset(pools or ("a", "b")), **about)  # type: ignore[arg-type]


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
    assert mean({"a": daily}, seen(first)) == found


def test_what_is_of_no_pool_goes_on_and_what_is_gone_does_not() -> None:
    steady = dict.fromkeys(range(72, 100), 7 * M)
    amounts = {"a": steady, "": steady, "gone": steady, "b": {}}
    assert mean(amounts, seen()) == 14 * M
    assert coming(amounts, seen(), 103) == {"": [7 * M] * 3, "a": [7 * M] * 3}
    assert coming(amounts, seen(100), 103) == {}


def test_weekdays_and_seasons_count() -> None:
    weekly = {day: M * (1 + day % 7) for day in range(72, 100)}
    found = coming({"a": weekly}, seen(), 107)["a"]
    assert found == [M * (1 + day % 7) for day in range(100, 107)]
    freeze = Season(name="freeze", start=day_text(101), until=day_text(102), factor_ppm=2 * M)
    twice = coming({"a": weekly}, seen(seasons=(freeze,)), 103)["a"]
    assert twice == [found[0], 2 * found[1], 2 * found[2]]


def test_a_month_is_a_twelfth_of_a_year() -> None:
    assert per_month(Fraction(12)) == 365
