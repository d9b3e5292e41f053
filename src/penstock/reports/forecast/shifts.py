"""Since when a farm costs what it costs: the day of the strongest change of level, if it is more than chance.

CUSUM over whole weeks, so that weekdays do not matter: the sums of what weeks are above their mean, S, are largest in
size where the level changed. With n weeks and sigma from the differences of successive weeks, which a change of level hardly
touches, sup |S| / (sigma sqrt(n)) goes beyond 1.628 once in a hundred when nothing changed (Kolmogorov). Integers throughout.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

LEAST = 8
"""Fewer weeks say nothing."""
CRITICAL_PPM = 1_628_000


class Shift(NamedTuple):
    """From the day `day` on a day cost `after` in the mean, and `before` before."""

    day: int
    before: int
    after: int


def shift(amounts: Sequence[int], end: int) -> Shift | None:
    """The strongest change of level in daily amounts that end before the day `end`; None where it may be chance."""
    count = len(amounts) // 7
    if count < LEAST:
        return None
    start = len(amounts) - 7 * count
    weeks = [sum(amounts[place : place + 7]) for place in range(start, len(amounts), 7)]
    total = sum(weeks)
    # All times n, so that the mean is an integer.
    sums = list(accumulate(count * week - total for week in weeks[:-1]))
    place = max(range(len(sums)), key=lambda n: abs(sums[n]))
    noise = sum((after - before) ** 2 for before, after in pairwise(weeks))
    # |S| / (sigma sqrt(n)) > c, squared; sigma squared = noise / (2 (n - 1)).
    if sums[place] ** 2 * 2 * (count - 1) * 10**12 <= CRITICAL_PPM**2 * noise * count**3:
        return None
    before, after = weeks[: place + 1], weeks[place + 1 :]
    day = end - 7 * len(after)
    return Shift(day, sum(before) // (7 * len(before)), sum(after) // (7 * len(after)))
