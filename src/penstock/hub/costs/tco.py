"""What owned machines cost, all included, beside the rented ones that serve the same."""

from fractions import Fraction
from typing import Any

import msgspec

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.reading import OWN, Days
from penstock.hub.costs.recent import seen_days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Ledger, Tally, day_of
from penstock.model.rules import Pool, Rules
from penstock.model.units import DAY_MS, MS_PER_HOUR, decimal_text
from penstock.ports import Tx
from penstock.reports import tco as reckoned
from penstock.reports.costs import day_text
from penstock.reports.tco import HOURS_A_YEAR, rounded, slot_hour

Document = dict[str, Any]
USES = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
"""Per cent of the year: where the curve of a slot-hour over its use is told."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What pools did on some whole days, from `days.first` to the day before `days.end`: how long slots were held, and what
    all of it cost, by pool."""

    days: Days = Days(0, 0)
    held_ms: dict[str, int] = {}
    amount_micros: dict[str, int] = {}

    def use(self, pool: Pool) -> Fraction | None:
        """The share of its slots' time that was held; None where nothing was measured, or it has no machines."""
        whole_ms = pool.machines * pool.slots * (self.days.end - self.days.first) * DAY_MS
        return Fraction(self.held_ms.get(pool.name, 0), whole_ms) if whole_ms else None

    def paid_slot_hour(self, pool: Pool) -> Fraction | None:
        """What an hour that a slot was held came to, with all that was paid beside it, as if at speed 1; None where nothing was held."""
        held_ms = self.held_ms.get(pool.name, 0)
        if not held_ms:
            return None
        return Fraction(self.amount_micros[pool.name] * MS_PER_HOUR, held_ms) / Fraction(str(pool.speed))


def tco(hub: Hub, _: object = None) -> Document:
    """What the owned pools cost, used as they were in the last 28 whole days."""
    today = day_of(hub.clock.wall_ms())

    def read(tx: Tx, farm: Farm) -> Measured:
        seen = seen_days(hub.rules, tx.get(Ledger, "ledger"), today)
        days = Days(seen.begin, seen.end)
        return _measured(days, reading.summed(tx, days, ("day",)))

    return owned_document(hub.rules, look(hub, read))


def owned_document(rules: Rules, measured: Measured) -> Document:
    """The same of a farm that need not run; without measures what does not need them."""
    days = measured.days
    known = days.end > days.first
    rented = [pool for pool in rules.pools if pool.provider not in OWN]
    return {
        "schema": 1,
        "currency": rules.currency,
        "since": day_text(days.first) if known else None,
        "until": day_text(days.end - 1) if known else None,
        "pools": [_pool(pool, rented, measured) for pool in rules.pools if pool.provider == "owned"],
    }


def _measured(days: Days, tallies: list[Tally]) -> Measured:
    held: dict[str, int] = {}
    amount: dict[str, int] = {}
    for tally in tallies:
        amount[tally.pool] = amount.get(tally.pool, 0) + tally.amount_micros
        if tally.account == Account.DIRECT:
            held[tally.pool] = held.get(tally.pool, 0) + tally.quantity
    return Measured(days=days, held_ms=held, amount_micros=amount)


def _pool(pool: Pool, rented: list[Pool], measured: Measured) -> Document:
    year = reckoned.annual(pool.tco) if pool.tco else Fraction(pool.price_per_hour_micros * HOURS_A_YEAR)
    parts = reckoned.parts(pool.tco) if pool.tco else {}
    use = measured.use(pool)
    curve = reckoned.chart(year, pool.slots, {percent: Fraction(percent, 100) for percent in USES})
    return {
        "pool": pool.name,
        "machines": pool.machines,
        "slots": pool.slots,
        "parts": {name: decimal_text(rounded(part)) for name, part in parts.items()},
        "a_year": decimal_text(rounded(year)),
        "an_hour": decimal_text(pool.price_per_hour_micros),
        "all_a_year": decimal_text(rounded(year * pool.machines)),
        "use": _number(use),
        "slot_hour": _price(reckoned.per_slot_hour(year, pool.slots, use) if use else None),
        "by_use": {str(percent): decimal_text(rounded(price)) for percent, price in curve.items()},
        "against": [
            _against(pool, year, other, measured)
            for other in rented
            if set(other.platforms) & set(pool.platforms)
        ],
    }


def _against(pool: Pool, year: Fraction, other: Pool, measured: Measured) -> Document:
    """A rented slot does as much in an hour as the owned one does in more, or less: by their speeds."""
    speed = Fraction(str(pool.speed))
    listed, paid = slot_hour(other) * speed, measured.paid_slot_hour(other)
    even = reckoned.break_even(year, pool.slots, listed)
    even_paid = None if paid is None else reckoned.break_even(year, pool.slots, paid * speed)
    return {
        "pool": other.name,
        "slot_hour": decimal_text(rounded(listed)),
        "break_even": _number(even),
        "paid_slot_hour": _price(None if paid is None else paid * speed),
        "break_even_paid": _number(even_paid),
    }


def _number(share: Fraction | None) -> float | None:
    return None if share is None else round(float(share), 6)


def _price(exact: Fraction | None) -> str | None:
    return None if exact is None else decimal_text(rounded(exact))
