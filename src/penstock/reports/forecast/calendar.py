"""What farm.toml says of times to come, and of times that were: a freeze before a release takes twice as much use.

A factor is in millionths of a usual day; the factors of rows that overlap are multiplied. Days count from 1970-01-01.
"""

import datetime
from collections.abc import Sequence

from penstock.model.rules import Season

MILLION = 1_000_000
EPOCH = datetime.date(1970, 1, 1).toordinal()


def number(day: datetime.date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH


def date_of(day: int) -> datetime.date:
    """The other way round."""
    return datetime.date.fromordinal(day + EPOCH)


def weekday(day: int) -> int:
    """0 is a Monday."""
    return (day + 3) % 7


def factors_ppm(seasons: Sequence[Season], first: int, end: int) -> list[int]:
    """The factor of each day from `first` to the one before `end`; a season lasts until its last day, included."""
    found = [MILLION] * (end - first)
    for season in seasons:
        start, last = (number(datetime.date.fromisoformat(text)) for text in (season.start, season.until))
        for place in range(max(start, first) - first, min(last + 1, end) - first):
            found[place] = found[place] * season.factor_ppm // MILLION
    return found
