"""Agreed limits: how much of each is used in its month or year, what is left, and until when that lasts.

Days are counted from 1970-01-01 (UTC). A budget of money counts all accounts of its pools, or of everything; one of
minutes counts how long slots were held, each minute `factor` times.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from penstock.model.ledger import Account, Tally
from penstock.model.rules import Budget
from penstock.model.units import MICROS_PER_UNIT, MS_PER_S
from penstock.reports.costs import day_number, day_text
from penstock.reports.pace import Amounts, Seen, coming, mean

PPM = 1_000_000
MINUTE_MS = 60 * MS_PER_S


class Period(NamedTuple):
    """A month or a year of the calendar, from the day `first` to the day before `end`; `name`: "2026-11" or "2026"."""

    name: str
    first: int
    end: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a budget stands: `used` up to now in its period, and `a_day`, the mean of the last whole days, in its unit.

    `left` is below 0 where more was used than agreed. `used_up_on`: the day, in this period, on which nothing is left if it
    goes on as the forecast says; None: it lasts to the period's end."""

    budget: Budget
    period: Period
    used: Decimal
    left: Decimal
    a_day: Decimal
    used_up_on: int | None


def period(per: str, day: int) -> Period:
    """The "month" or "year" in which `day` lies."""
    at = date.fromisoformat(day_text(day))
    if per == "year":
        first, end, name = date(at.year, 1, 1), date(at.year + 1, 1, 1), f"{at.year:04d}"
    else:
        first, name = at.replace(day=1), f"{at.year:04d}-{at.month:02d}"
        end = date(at.year + at.month // 12, at.month % 12 + 1, 1)
    return Period(name, day_number(first), day_number(end))


def used(budget: Budget, tallies: Iterable[Tally], day: int) -> Decimal:
    """How much of a budget is used in the period of `day`, up to its end; money in the farm's currency, or minutes.

    `tallies` may be of any days. Kept to the sixth decimal, rounded half up."""
    first = period(budget.per, day).first
    parts = daily(budget, (tally for tally in tallies if first <= tally.day <= day))
    return in_unit(budget, Fraction(sum(parts.values())))


def daily(budget: Budget, tallies: Iterable[Tally]) -> Counter[int]:
    """What counts for a budget on each day: micro-units of money, or milliseconds of slots."""
    found: Counter[int] = Counter()
    for tally in tallies:
        if not budget.pools or tally.pool in budget.pools:
            found[tally.day] += _counts(budget, tally)
    return found


def standing(budget: Budget, tallies: Iterable[Tally], seen: Seen, today: int) -> Standing:
    """How a budget stands `today`; `tallies` of its period and of the days that `seen` counts by."""
    now, pools = period(budget.per, today), _by_pool(budget, tallies)
    days = [(day, amount) for of in pools.values() for day, amount in of.items()]
    spent = Fraction(sum(amount for day, amount in days if now.first <= day <= today))
    return Standing(
        budget=budget,
        period=now,
        used=in_unit(budget, spent),
        left=budget.amount - in_unit(budget, spent),
        a_day=in_unit(budget, mean(pools, seen)),
        used_up_on=_used_up_on(_agreed(budget) - spent, _to_come(pools, seen, now.end), today),
    )


def _by_pool(budget: Budget, tallies: Iterable[Tally]) -> dict[str, Counter[int]]:
    mine: dict[str, list[Tally]] = {}
    for tally in tallies:
        mine.setdefault(tally.pool, []).append(tally)
    return {pool: daily(budget, found) for pool, found in mine.items()}


def _to_come(pools: Amounts, seen: Seen, end: int) -> dict[int, int]:
    """What each day to come uses, until the period's end."""
    found: Counter[int] = Counter()
    for days in coming(pools, seen, end).values():
        found.update(dict(enumerate(days, seen.end)))
    return found


def _counts(budget: Budget, tally: Tally) -> int:
    if budget.unit == "money":
        return tally.amount_micros
    return tally.quantity if tally.account == Account.DIRECT else 0


def _worth(budget: Budget) -> Fraction:
    """What one of `daily` is in the budget's unit."""
    if budget.unit == "money":
        return Fraction(1, MICROS_PER_UNIT)
    return Fraction(budget.factor_ppm, PPM * MINUTE_MS)


def in_unit(budget: Budget, amount: Fraction) -> Decimal:
    """What `daily` counts in the budget's unit, to the sixth decimal, rounded half up."""
    exact = amount * _worth(budget) * MICROS_PER_UNIT
    return Decimal((2 * exact.numerator + exact.denominator) // (2 * exact.denominator)).scaleb(-6)


def _agreed(budget: Budget) -> Fraction:
    """A budget's amount as `daily` counts; more than can be used where its minutes count nothing."""
    worth = _worth(budget)
    return Fraction(budget.amount) / worth if worth else Fraction(2**62)


def _used_up_on(left: Fraction, to_come: dict[int, int], today: int) -> int | None:
    """The first day after which nothing is left; today has used what it will."""
    if left <= 0:
        return today
    for day in sorted(to_come):
        left -= to_come[day] if day > today else 0
        if left <= 0:
            return day
    return None
