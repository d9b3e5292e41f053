"""What was metered beside what was billed: for each pool and day the residual, in money and as a share of the bill.

Metered amounts are integer micro-units, billed ones exact decimals of a bill's effective cost. Days since 1970-01-01, UTC.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum

import msgspec

from penstock.model.units import MICROS_PER_UNIT
from penstock.reports.bills import minus, plus

ALARM_PERCENT = 5
"""A residual above this share of the bill is to be looked at. Source: what reviews of real bills left unexplained."""
_ROUND = Context(prec=30, rounding=ROUND_HALF_EVEN)
_ZERO = Decimal()
Place = tuple[int, str]
"""A day and a pool; "" is no pool."""


class Standing(StrEnum):
    """What a day of a pool says."""

    AGREES = "agrees"
    ALARM = "alarm"
    NOT_BILLED_YET = "not billed yet"
    NEVER_BILLED = "no bill"
    NOT_METERED = "not metered"


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One pool on one day, or all its days that say AGREES or ALARM together (`days` of them).

    `percent`: the residual in percent of what was billed, None where nothing was."""

    pool: str
    metered: Decimal
    billed: Decimal
    standing: Standing
    day: int = 0
    days: int = 1

    @property
    def residual(self) -> Decimal:
        """What was billed and not metered; negative: metered and not billed."""
        return minus(self.billed, self.metered)

    @property
    def percent(self) -> Decimal | None:
        """The residual as a share of what was billed, rounded to hundredths."""
        return percent(self.residual, self.billed)


class Books(msgspec.Struct, frozen=True):
    """Days that are entered in full: from `first` to before `end`."""

    first: int
    end: int


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """A share in percent, rounded to hundredths; None of nothing."""
    if not whole:
        return None
    share = _ROUND.divide(_ROUND.multiply(part, Decimal(100)), whole)
    return share.quantize(Decimal("0.01"), context=Context(prec=200, rounding=ROUND_HALF_EVEN))


def is_alarm(residual: Decimal, billed: Decimal) -> bool:
    """Whether more than ALARM_PERCENT of the bill is not explained; where nothing was billed, whether anything was metered."""
    return abs(residual) * 100 > abs(billed) * ALARM_PERCENT


def compared(
    metered_micros: Mapping[Place, int], billed: Mapping[Place, Decimal], books: Books
) -> list[Compared]:
    """A row for each day of a pool that costs something, by day and pool. What belongs to no pool is not among them."""
    last: dict[str, int] = {}
    for day, pool in billed:
        last[pool] = max(day, last.get(pool, day))
    found = []
    for day, pool in sorted({*metered_micros, *billed}):
        metered = Decimal(metered_micros.get((day, pool), 0)) / MICROS_PER_UNIT
        asked = billed.get((day, pool), _ZERO)
        if pool and (metered or asked):
            standing = _standing(day, last.get(pool), minus(asked, metered), asked, books)
            found.append(Compared(day=day, pool=pool, metered=metered, billed=asked, standing=standing))
    return found


def _standing(day: int, last: int | None, residual: Decimal, billed: Decimal, books: Books) -> Standing:
    if last is None:
        return Standing.NEVER_BILLED
    if day > last:
        return Standing.NOT_BILLED_YET
    if not books.first <= day < books.end:
        return Standing.NOT_METERED
    return Standing.ALARM if is_alarm(residual, billed) else Standing.AGREES


def by_pool(rows: Iterable[Compared]) -> list[Compared]:
    """For each pool the days that could be held against a bill, added up; a pool without such a day has none (`days` 0)."""
    sums: dict[str, Compared] = {}
    for row in rows:
        counts = row.standing in (Standing.AGREES, Standing.ALARM)
        before = sums.get(row.pool) or Compared(
            pool=row.pool, metered=_ZERO, billed=_ZERO, standing=row.standing, days=0
        )
        if counts:
            metered, billed = plus(before.metered, row.metered), plus(before.billed, row.billed)
            standing = Standing.ALARM if is_alarm(minus(billed, metered), billed) else Standing.AGREES
            before = Compared(
                pool=row.pool, metered=metered, billed=billed, standing=standing, days=before.days + 1
            )
        sums[row.pool] = before
    return [sums[pool] for pool in sorted(sums)]
