"""Exact figures as they are printed."""

import datetime
from decimal import Decimal
from fractions import Fraction

YEAR_DAYS = 365
"""A nominal year: next year is reckoned with as many days, leap or not."""


class Unanswerable(ValueError):
    """The figures that are there do not answer the question: what is in the way, what to write instead, and on
    which line of their file they stand where one is meant."""

    def __init__(self, what: str, instead: str = "", line: int | None = None) -> None:
        super().__init__(what, instead, line)
        self.what, self.instead, self.line = what, instead, line


def nearest(value: Fraction, step: Decimal | Fraction | int = 1) -> Fraction:
    """The multiple of `step` that is nearest to `value`; of two equally near ones the one farther from 0."""
    parts = abs(value) / Fraction(step)
    count = (2 * parts.numerator + parts.denominator) // (2 * parts.denominator)
    return count * Fraction(step) * (-1 if value < 0 else 1)


def decimal(value: Fraction, places: int = 2) -> Decimal:
    """A fraction as a decimal with so many places, rounded half up; no negative zero."""
    whole = int(nearest(value, Fraction(1, 10**places)) * 10**places)
    sign, digits = int(whole < 0), tuple(int(digit) for digit in str(abs(whole)))
    return Decimal((sign, digits, -places))


def plain(value: Decimal) -> Decimal:
    """A decimal as people write it: no exponent, no zeros at its end behind the point."""
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def new_year(day: datetime.date) -> datetime.date:
    """The 1 January that comes after `day`."""
    return datetime.date(day.year + 1, 1, 1)


def later(day: datetime.date, days: Fraction) -> datetime.date | None:
    """So many days after `day`, or before it, rounded to the nearest; None where that is a century away."""
    whole = int(nearest(days))
    return day + datetime.timedelta(days=whole) if abs(whole) <= 100 * YEAR_DAYS else None
