"""Costs that no machine's time has: fixed charges by the day, what is stored, what leaves a provider."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from penstock.model.job import Attempt
from penstock.model.ledger import Account, Entry
from penstock.model.rules import Charge
from penstock.model.units import DAY_MS

GB = 1_000_000_000
MONTH_DAYS_X16 = 487
"""A month of storage prices is 365.25 / 12 = 30.4375 days; in sixteenths."""


def share_micros(per_month_micros: int, day: int) -> int:
    """The share of one day (since 1970-01-01) in a monthly charge: shares of a calendar month sum up to it exactly."""
    on = date(1970, 1, 1) + timedelta(days=day)
    days = ((on.replace(day=28) + timedelta(days=4)).replace(day=1) - on.replace(day=1)).days
    return _part(per_month_micros, on.day, days) - _part(per_month_micros, on.day - 1, days)


def charged(charges: Sequence[Charge], day: int) -> list[Entry]:
    """The fixed charges of one day."""
    return [
        Entry(
            day=day,
            at_ms=(day + 1) * DAY_MS,
            account=Account.OVERHEAD,
            amount_micros=share_micros(one.per_month_micros, day),
            quantity=DAY_MS,
            pool=one.pool,
            what=one.name,
        )
        for one in charges
    ]


def stored(size_bytes: int, per_gb_month_micros: int, day: int) -> list[Entry]:
    """What it costs to have stored so much on one day; nothing where it has no price."""
    if not per_gb_month_micros:
        return []
    amount = _part(per_gb_month_micros, 16 * size_bytes, GB * MONTH_DAYS_X16)
    return [
        Entry(
            day=day,
            at_ms=(day + 1) * DAY_MS,
            account=Account.STORAGE,
            amount_micros=amount,
            quantity=size_bytes,
            unit="byte",
            price_micros=per_gb_month_micros,
            what="blobs",
        )
    ]


def sent(direct: Entry, attempt: Attempt, per_gb_micros: int) -> list[Entry]:
    """What it costs that outputs and log of an attempt leave its pool, beside its last direct entry."""
    size_bytes = attempt.log_bytes + sum(output.size_bytes for output in attempt.outputs)
    if not (per_gb_micros and size_bytes):
        return []
    return [
        msgspec.structs.replace(
            direct,
            account=Account.EGRESS,
            amount_micros=_part(per_gb_micros, size_bytes, GB),
            quantity=size_bytes,
            unit="byte",
            price_micros=per_gb_micros,
            machine="",
            span_ms=0,
            power="",
            final=False,
        )
    ]


def _part(amount: int, numerator: int, denominator: int) -> int:
    """A part of an amount, rounded half up."""
    return (2 * amount * numerator + denominator) // (2 * denominator)
