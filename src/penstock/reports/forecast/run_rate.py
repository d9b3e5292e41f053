"""`run_rate_excl_retired`: what a year will cost from two readings of what was used to date.

With C the total, d what is retired, W the days between the readings, REM the days from the last one to 1 January:

    rate = ((C2 - C1) - (d2 - d1)) / W
    this year = C2 + rate * REM
    next year = rate * 365, a nominal year

Source: reconstructed from a mail of QEMU's of June 2023, whose two totals it gives (docs/explanation/forecast.md).
"""

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

import msgspec

from penstock.model.statement import REST, Reading, Statement
from penstock.reports.forecast.figures import YEAR_DAYS, Unanswerable, later, new_year

EXCLUDING, INCLUDING = "run_rate_excl_retired", "run_rate_incl_retired"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One resource: what it had used by the last reading, and what of both years is for it.

    `since`: when it began if it always cost what it costs now; None where it costs nothing now. What fell, as by a
    correction, has a negative rate."""

    name: str
    used: Decimal
    is_retired: bool
    this_year: Fraction
    next_year: Fraction
    since: datetime.date | None


class RunRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate between two readings and what it comes to. `rise`: of all that counts, between `first` and `last`.

    `slack`: by how much `rise` may be off when readings are rounded to the last place that was written."""

    formula: str
    currency: str
    first: Reading
    last: Reading
    rise: Fraction
    slack: Fraction
    retired: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def window_days(self) -> int:
        """Days between the two readings: they are moments, so neither day counts by itself."""
        return (self.last.date - self.first.date).days

    @property
    def days_left(self) -> int:
        """From the last reading to 1 January."""
        return (new_year(self.last.date) - self.last.date).days

    @property
    def rate(self) -> Fraction:
        """A day."""
        return self.rise / self.window_days

    @property
    def this_year(self) -> Fraction:
        """What was used, and the rate for the rest of the year."""
        return Fraction(self.last.total) + self.rate * self.days_left

    @property
    def next_year(self) -> Fraction:
        """The rate for a nominal year."""
        return self.rate * YEAR_DAYS

    def bounds(self) -> dict[str, tuple[Fraction, Fraction]]:
        """Between which figures the three lie, whatever the readings were before they were rounded."""
        rate, last = self.slack / self.window_days, _slack(self.last.total)
        year = last + rate * self.days_left
        return {
            "rate_per_day": (self.rate - rate, self.rate + rate),
            "this_year": (self.this_year - year, self.this_year + year),
            "next_year": (self.next_year - rate * YEAR_DAYS, self.next_year + rate * YEAR_DAYS),
        }


def run_rate(statement: Statement, keep_retired: bool = False, window_days: int | None = None) -> RunRate:
    """The rate between the last two readings, or those `window_days` apart. Raises Unanswerable.

    `keep_retired`: what is retired stays in the rate, as if it went on: wrong, and for comparison only."""
    first, last = _window(statement.readings, window_days)
    gone = () if keep_retired else statement.retired
    rise = _rise(first.total, last.total, last, "the total")
    without = [_retired_rise(name, first, last) for name in gone]
    counts = rise - sum(without)
    if counts < 0:
        what = f"what is retired rose by more than the total between {first.date} and {last.date}"
        raise Unanswerable(what, "write what the console shows for both", last.line)
    seen = [first.total, last.total, *(reading.resource[name] for name in gone for reading in (first, last))]
    return RunRate(
        formula=INCLUDING if keep_retired and statement.retired else EXCLUDING,
        currency=statement.currency,
        first=first,
        last=last,
        rise=counts,
        slack=sum((_slack(amount) for amount in seen), Fraction(0)),
        retired=statement.retired,
        parts=tuple(_parts(first, last, gone)),
    )


def exhausted_on(found: RunRate, credit: Decimal, is_yearly: bool) -> datetime.date | None:
    """The day on which a credit is used up: one for each calendar year, or one that does not come again.

    None where it lasts: for this year and the next, or for ever."""
    total, rate = Fraction(found.last.total), found.rate
    if total >= credit:
        return found.last.date
    if rate == 0:
        return None
    days = (Fraction(credit) - total) / rate
    if not is_yearly or days < found.days_left:
        return later(found.last.date, days)
    return exhausted_next_year(found, credit, found.next_year)


def exhausted_next_year(found: RunRate, credit: Decimal, year: Fraction) -> datetime.date | None:
    """The day of next year on which a credit of that year is used up when the year costs so much; None: it lasts."""
    days = exhausted_days(credit, year)
    return None if days is None else later(new_year(found.last.date), days)


def exhausted_days(credit: Decimal, year: Fraction) -> Fraction | None:
    """After how many days of a nominal year that costs so much a credit is used up; None: it lasts the year."""
    return Fraction(credit) / year * YEAR_DAYS if year > credit else None


def _window(readings: tuple[Reading, ...], window_days: int | None) -> tuple[Reading, Reading]:
    if len(readings) < 2:
        raise Unanswerable("one reading gives no rate", "write a second [[reading]]")
    last = readings[-1]
    apart = {(last.date - reading.date).days: reading for reading in readings[:-1]}
    if window_days is None:
        return readings[-2], last
    if window_days in apart:
        return apart[window_days], last
    if window_days - 1 in apart:
        first = apart[window_days - 1]
        raise Unanswerable(
            f"{first.date} and {last.date} are {window_days - 1} days apart: {window_days} counts both of them, "
            "and a reading is a moment, not a day",
            f"ask for {window_days - 1}",
            last.line,
        )
    known = ", ".join(str(days) for days in sorted(apart))
    raise Unanswerable(
        f"no reading is {window_days} days before that of {last.date}", f"ask for one of: {known}", last.line
    )


def _rise(first: Decimal, last: Decimal, reading: Reading, what: str) -> Fraction:
    if last < first:
        instead = "write readings since it began anew, or was put right"
        raise Unanswerable(f"{what} falls from {first} to {last}", instead, reading.line)
    return Fraction(last) - Fraction(first)


def _retired_rise(name: str, first: Reading, last: Reading) -> Fraction:
    for reading in (first, last):
        if name not in reading.resource:
            what = f"the reading of {reading.date} does not say what of it is the retired {name}"
            raise Unanswerable(what, f"write resource = {{ {name} = AMOUNT }} there", reading.line)
    return _rise(first.resource[name], last.resource[name], last, name)


def _parts(first: Reading, last: Reading, gone: Iterable[str]) -> Iterator[Part]:
    """Each resource that both readings name, in the order of the last one, and what is left of the total."""
    both = [name for name in last.resource if name in first.resource]
    for name in both:
        rise = Fraction(last.resource[name]) - Fraction(first.resource[name])
        yield _part(
            name, last.resource[name], Fraction(0) if name in gone else rise, (first, last), name in gone
        )
    before, after = (
        reading.total - sum(reading.resource[name] for name in both) for reading in (first, last)
    )
    if before or after:
        yield _part(REST, after, Fraction(after) - Fraction(before), (first, last), False)


def _part(
    name: str, used: Decimal, rise: Fraction, window: tuple[Reading, Reading], is_retired: bool
) -> Part:
    first, last = window
    rate = rise / (last.date - first.date).days
    return Part(
        name=name,
        used=used,
        is_retired=is_retired,
        this_year=Fraction(used) + rate * (new_year(last.date) - last.date).days,
        next_year=rate * YEAR_DAYS,
        since=later(last.date, -Fraction(used) / rate) if rate > 0 else None,
    )


def _slack(amount: Decimal) -> Fraction:
    """Half of the last place that was written."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int), "amounts of statements are finite"
    return Fraction(10) ** exponent / 2
