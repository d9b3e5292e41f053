"""A statement: what a person can write down of a bill. Readings of the consumption to date, as a console shows it.

Amounts are exact decimals in the statement's currency. A reading is a moment, the beginning of its day, and not a day:
between the 1st and the 28th lie 27 days.
"""

from datetime import date
from decimal import Decimal

import msgspec

from penstock.model.rules import Grant

REST = "(rest)"
"""What of a total no resource of the statement is."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was used up to the beginning of `date`: `total`, and of that by resource what the console showed.

    `resource` need not name everything; `line` is where the reading stands in its file."""

    date: date
    total: Decimal
    resource: dict[str, Decimal] = {}
    line: int = 0


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Readings in the order of their dates, one at least, which resources are no longer used, and credit that pays."""

    currency: str
    readings: tuple[Reading, ...]
    retired: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
