"""What this year and the next will cost: the days of the ledger, and what was billed where it is there already."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.costs.bills import bills, lines
from penstock.hub.costs.reading import Days, summed
from penstock.hub.steps import look
from penstock.model.ledger import Ledger, Tally, day_of
from penstock.model.units import decimal_text, micros
from penstock.ports import Tx
from penstock.reports.bills import Pools, plus
from penstock.reports.forecast.blocks import MOST
from penstock.reports.forecast.calendar import date_of, number
from penstock.reports.forecast.ledger import Past, forecast_document
from penstock.reports.reconciliation import is_alarm

Document = dict[str, Any]
LATE_DAYS = 3
"""Providers bill a day up to so many days late: of one that was not over for so long when the bill was taken, the meters count."""
Amounts = dict[str, dict[int, int]]
"""Micro-units by source and day."""


def forecast(hub: Hub, window_days: int, times: Mapping[str, Fraction] = {}) -> Document:
    """The forecast, from the last `window_days` whole days.

    `times`: what if so many times as much of a source is used from now on. Raises NotFound for a source that cost nothing so far,
    Refused for one that is retired."""
    past = look(hub, lambda tx, _: _past(hub, tx, window_days))
    for name in times:
        if name not in past.amounts:
            raise NotFound("pool with costs", name)
        if name in past.retired:
            raise Refused(f"{name} is left out of what is to come: {past.retired[name]}", stop=False)
    past = msgspec.structs.replace(past, times=dict(times))
    return forecast_document(past, hub.rules.calendar, window_days, hub.rules.currency)


def _past(hub: Hub, tx: Tx, window_days: int) -> Past:
    ledger = tx.get(Ledger, "ledger")
    if ledger is None:
        return Past(first=0, end=0, begun=0, amounts={})
    end, begun = ledger.day, day_of(ledger.from_ms)
    # A day that is not entered from its beginning to its end says nothing of a day.
    first = max(day_of(ledger.from_ms - 1) + 1, end - MOST)
    year = number(date_of(end).replace(month=1, day=1))
    days = Days(max(begun, min(first, year)), end)
    metered = _metered(summed(tx, days, ("day",)))
    billed, unnamed = _billed(hub, tx, days)
    notes = [
        *_notes(day_of(hub.clock.wall_ms()) - end, unnamed, hub.rules.currency),
        *_residuals(metered, billed),
    ]
    for pool, amounts in billed.items():
        metered[pool] |= amounts
    return Past(
        first=first,
        end=end,
        begun=begun,
        amounts={
            name: tuple(of.get(day, 0) for day in range(first, end)) for name, of in sorted(metered.items())
        },
        year=sum(cost for of in metered.values() for day, cost in of.items() if year <= day < first),
        retired=_retired(hub, metered, end - window_days),
        billed={pool: len(amounts) for pool, amounts in billed.items()},
        notes=tuple(notes),
    )


def _metered(found: list[Tally]) -> Amounts:
    amounts: Amounts = defaultdict(lambda: defaultdict(int))
    for tally in found:
        amounts[tally.pool or f"({tally.account})"][tally.day] += tally.amount_micros
    return amounts


def _billed(hub: Hub, tx: Tx, days: Days) -> tuple[Amounts, Decimal]:
    """What bills say of pools, and what they say of no pool. Credits are left out: they pay, and use nothing."""
    pools = Pools(hub.rules.billed)
    exact: dict[str, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for bill in bills(tx, days.first, days.end, hub.rules.currency):
        until = min(days.end, day_of(bill.taken_ms) - LATE_DAYS)
        for line in lines(tx, bill, days.first, until):
            if line.category != "Credit":
                of = exact[pools.of(line)]
                of[line.day] = plus(of[line.day], Decimal(line.effective))
    unnamed = Decimal(0)
    for cost in exact.pop("", {}).values():
        unnamed = plus(unnamed, cost)
    return {pool: {day: micros(cost) for day, cost in of.items()} for pool, of in exact.items()}, unnamed


def _retired(hub: Hub, amounts: Mapping[str, Mapping[int, int]], since: int) -> dict[str, str]:
    """Pools that are not used any more: those that farm.toml no longer has, and those that cost something once."""
    known, found = {pool.name for pool in hub.rules.pools}, {}
    for name, of in amounts.items():
        if name not in known and not name.startswith("("):
            found[name] = "not in farm.toml any more"
        elif any(of.values()) and not any(cost for day, cost in of.items() if day >= since):
            found[name] = f"no use since {date_of(max(day for day, cost in of.items() if cost))}"
    return found


def _notes(behind: int, unnamed: Decimal, currency: str) -> Iterator[str]:
    if behind > 0:
        days = "a day that has" if behind == 1 else f"{behind} days that have"
        yield f"what was used on {days} passed since: not entered yet"
    if unnamed:
        yield f"{unnamed} {currency} that was billed and is of no pool: [[billed]] of farm.toml says which lines are whose"


def _residuals(metered: Mapping[str, Mapping[int, int]], billed: Amounts) -> Iterator[str]:
    """Where bills say something else than meters do, days without a bill are counted at another level than those with one."""
    for pool, of in sorted(billed.items()):
        bill, meter = sum(of.values()), sum(metered.get(pool, {}).get(day, 0) for day in of)
        if is_alarm(Decimal(bill - meter), Decimal(bill)):
            yield (
                f"why {pool} was billed {decimal_text(bill)} where {decimal_text(meter)} was metered: days without a bill count as metered"
            )
