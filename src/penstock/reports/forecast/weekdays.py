"""How days of the week differ: the median of each, and how far days usually are from it (MAD). Integers throughout.

A day is unusual when it is farther from its weekday's median than 3.5 * 1.4826 MAD: 1.4826 MAD is the deviation of a
normal distribution. Source: Iglewicz and Hoaglin, How to detect and handle outliers, 1993.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from penstock.reports.forecast.calendar import weekday

DAYS = 56
"""Medians are of so many last days: eight of each weekday."""
LEAST = 28
"""With fewer days weekdays are not told apart."""
FAR = Fraction(35, 10) * Fraction(14826, 10000)


class Usual(NamedTuple):
    """The median and the median deviation of each weekday, Monday first."""

    medians: tuple[int, ...]
    deviations: tuple[int, ...]

    def shape(self) -> tuple[Fraction, ...]:
        """Each weekday's share of a mean day; 1 everywhere where the medians are nothing, or less by corrections."""
        whole = sum(self.medians)
        if whole <= 0 or min(self.medians) < 0:
            return (Fraction(1),) * 7
        return tuple(Fraction(7 * middle, whole) for middle in self.medians)


def usual(amounts: Sequence[int], end: int) -> Usual | None:
    """The weekdays of the last days before the day `end`, one amount a day; None where they are too few."""
    if len(amounts) < LEAST:
        return None
    by_day: list[list[int]] = [[] for _ in range(7)]
    for back, amount in enumerate(reversed(amounts[-DAYS:]), 1):
        by_day[weekday(end - back)].append(amount)
    medians = tuple(median(found) for found in by_day)
    return Usual(
        medians,
        tuple(
            median([abs(x - middle) for x in found]) for found, middle in zip(by_day, medians, strict=True)
        ),
    )


def unusual(amounts: Sequence[int], end: int, known: Usual, floor: int) -> list[tuple[int, int, int]]:
    """Days of `amounts`, which end before `end`, that are unusual by more than `floor`: day, amount, weekday's median."""
    found = []
    for place, amount in enumerate(amounts):
        day = end - len(amounts) + place
        middle, deviation = (of[weekday(day)] for of in known)
        if abs(amount - middle) > max(FAR * deviation, Fraction(floor)):
            found.append((day, amount, middle))
    return found


def median(values: Sequence[int]) -> int:
    """The middle value; of two the lower half of their sum, rounded down. Raises IndexError for none."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2
