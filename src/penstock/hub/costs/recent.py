"""The days that forecasts of budgets and credits go by, and sums up to this moment: what is entered, and what has run up since."""

from typing import NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.agreed import accrued
from penstock.hub.costs.reading import Days
from penstock.model.farm import Farm
from penstock.model.ledger import Ledger, Meter, Tally, day_of
from penstock.model.rules import Rules
from penstock.model.units import DAY_MS
from penstock.policy.charging.meters import Moment
from penstock.ports import Tx
from penstock.reports.pace import Seen


class Recent(NamedTuple):
    """One view: sums since some day, up to now, and which days of them are whole."""

    today: int
    books: Ledger | None
    seen: Seen
    tallies: list[Tally]

    def known_from(self, first: int) -> int | None:
        """The day on which the books begin where that is after the day `first`: what was before is not in them."""
        begin = day_of(self.books.from_ms) if self.books else first
        return begin if begin > first else None


def recent(hub: Hub, tx: Tx, farm: Farm, first: int) -> Recent:
    """What was used from the day `first` up to this moment."""
    wall_ms = hub.clock.wall_ms()
    today, ledger = day_of(wall_ms), tx.get(Ledger, "ledger")
    found: list[Tally] = []
    if ledger is not None:
        found = reading.summed(tx, Days(first, today + 1), ("day",))
        found += accrued(hub.rules, tx.find(Meter, "key"), Moment(wall_ms, farm.time_ms))
    return Recent(today, ledger, seen_days(hub.rules, ledger, today), found)


def seen_days(rules: Rules, ledger: Ledger | None, today: int) -> Seen:
    """Which days before today are entered as a whole; none without books."""
    first, end = today, today
    if ledger is not None:
        first, end = -(-ledger.from_ms // DAY_MS), min(ledger.day, today)
    return Seen(
        first=first,
        end=end,
        pools=frozenset(pool.name for pool in rules.pools),
        seasons=rules.calendar,
    )
