"""How fast something is used: the mean of the last whole days, and the days to come as the forecast counts them."""

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from penstock.model.rules import Season
from penstock.reports.forecast.ledger import Past, expected_days

WINDOW_DAYS = 28
"""Four whole weeks: every weekday counts the same."""
MONTHS_A_YEAR = 12
DAYS_A_YEAR = 365


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Which days are known as a whole: from `first` to the one before `end`, counted from 1970-01-01; the pools that there are
    now, and the seasons. What a pool used that is not there any more does not go on."""

    first: int
    end: int
    pools: frozenset[str] = frozenset()
    seasons: tuple[Season, ...] = ()

    @property
    def begin(self) -> int:
        """The first of the last 28 whole days, of fewer where fewer are known."""
        return min(max(self.first, self.end - WINDOW_DAYS), self.end)

    @property
    def days(self) -> int:
        """How many of them there are."""
        return self.end - self.begin

    def goes_on(self, pool: str) -> bool:
        """Whether it is still there; what is of no pool, "", is."""
        return not pool or pool in self.pools


Amounts = Mapping[str, Mapping[int, int]]
"""What was used, by pool and day; a day that is left out used nothing."""


def mean(amounts: Amounts, seen: Seen) -> Fraction:
    """What is used a day: the mean of the last whole days, without pools that are gone; 0 where no day is known."""
    used = sum(
        of.get(day, 0)
        for pool, of in amounts.items()
        if seen.goes_on(pool)
        for day in range(seen.begin, seen.end)
    )
    return Fraction(used, seen.days) if seen.days else Fraction()


def coming(amounts: Amounts, seen: Seen, until: int) -> dict[str, list[int]]:
    """What each pool is expected to use on each day from `seen.end` to the one before `until`; only those that use anything.

    By the forecast's own formula: weekdays and seasons count (reports/forecast)."""
    if not seen.days:
        return {}
    found = {
        pool: expected_days(_past(pool, of, seen), seen.seasons, WINDOW_DAYS, until)
        for pool, of in sorted(amounts.items())
        if seen.goes_on(pool)
    }
    return {pool: days for pool, days in found.items() if any(days)}


def per_month(a_day: Fraction) -> Fraction:
    """A daily amount as people compare it: of a twelfth of 365 days."""
    return a_day * DAYS_A_YEAR / MONTHS_A_YEAR


def _past(pool: str, amounts: Mapping[int, int], seen: Seen) -> Past:
    days = tuple(amounts.get(day, 0) for day in range(seen.begin, seen.end))
    return Past(first=seen.begin, end=seen.end, begun=seen.first, amounts={pool: days})
