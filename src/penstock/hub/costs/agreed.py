"""How far grants and budgets are used at this moment: what is entered, and what has run up on meters since.

Bills come a day late and guards do not wait for them: they act on what machines metered.
"""

from collections.abc import Iterable

import msgspec

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.reading import Days
from penstock.model.curb import Figure
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Ledger, Meter, Tally, day_of
from penstock.model.rules import Rules
from penstock.model.units import DAY_MS
from penstock.policy.charging.meters import Moment, Terms, cut, terms_of
from penstock.ports import Tx
from penstock.reports.agreed import Books, figures, first_day

OPEN_DAYS = 2
"""So many of the last days that are entered as a whole are read again: a late event may still be of them."""


class Agreed:
    """Figures from one view of the store. Sums of days that have ended are read once and kept: a year of them is many rows."""

    def __init__(self) -> None:
        self._first = self._until = 0
        self._kept: list[Tally] = []

    def figures(self, hub: Hub, tx: Tx, farm: Farm) -> dict[str, Figure]:
        """How far each grant and budget is used, by name; {} before the books are begun."""
        books = self.books(hub, tx, farm)
        return {} if books is None else figures(hub.rules, books)

    def books(self, hub: Hub, tx: Tx, farm: Farm, back: int = 0) -> Books | None:
        """What figures are made of, and at least the last `back` days; None before the books are begun."""
        ledger = tx.get(Ledger, "ledger")
        if ledger is None:
            return None
        wall_ms = hub.clock.wall_ms()
        today = day_of(wall_ms)
        first = min(first_day(hub.rules, today), today - back)
        ended = self._ended(tx, first, min(ledger.day, today) - OPEN_DAYS)
        late = reading.summed(tx, Days(self._until, today + 1), ("day",))
        now = accrued(hub.rules, tx.find(Meter, "key"), Moment(wall_ms, farm.time_ms))
        return Books(
            tallies=[*ended, *late, *now],
            first=-(-ledger.from_ms // DAY_MS),
            end=min(ledger.day, today),
            today=today,
        )

    def _ended(self, tx: Tx, first: int, until: int) -> list[Tally]:
        """Sums of the days from `first` on that do not change any more."""
        if first < self._first or not self._until or until < self._until:
            self._first, self._until, self._kept = first, first, []
        if until > self._until:
            self._kept += summed(reading.summed(tx, Days(self._until, until), ("day",)))
            self._until = until
        return self._kept


def summed(tallies: Iterable[Tally]) -> list[Tally]:
    """Sums by day, pool and account: all that figures look at."""
    found: dict[tuple[int, str, Account], Tally] = {}
    for one in tallies:
        key = (one.day, one.pool, one.account)
        known = found.get(key) or _tally(*key)
        found[key] = msgspec.structs.replace(
            known,
            amount_micros=known.amount_micros + one.amount_micros,
            quantity=known.quantity + one.quantity,
        )
    return list(found.values())


def accrued(rules: Rules, meters: Iterable[Meter], at: Moment) -> list[Tally]:
    """What has run up on meters and is not entered yet: money as idle, which sums do not tell apart, and slots held."""
    terms = {pool.name: terms_of(pool, 0, 0) for pool in rules.pools}
    found: list[Tally] = []
    for meter in meters:
        span = cut(meter, terms.get(meter.pool, Terms()), at).span
        owed = 0 if span is None else span.amount_micros - meter.direct_micros
        held_ms = sum(max(0, at.wall_ms - one.since_ms - one.entered_ms) for one in meter.held.values())
        day = day_of(at.wall_ms)
        found.append(_tally(day, meter.pool, Account.IDLE, owed))
        found.append(_tally(day, meter.pool, Account.DIRECT, 0, held_ms))
    return found


def _tally(day: int, pool: str, account: Account, amount: int = 0, quantity: int = 0) -> Tally:
    return Tally(
        day=day,
        project="",
        platform="",
        pool=pool,
        klass="",
        account=account,
        outcome="",
        amount_micros=amount,
        quantity=quantity,
    )
