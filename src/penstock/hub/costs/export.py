"""The ledger of some days for other programs: FOCUS rows, whole days at a time."""

from operator import attrgetter
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.grants import own_pools
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.ledger import Tally
from penstock.model.records import SHAPES
from penstock.model.rules import Rules
from penstock.model.units import seconds
from penstock.ports import Tx
from penstock.reports import focus
from penstock.reports.costs import day_text
from penstock.reports.credits import costs_of, credits_of, settle
from penstock.reports.focus import Credit

Document = dict[str, Any]
_place = attrgetter(*SHAPES[Tally].key)
MOST_ROWS = 20_000
"""An answer ends with the day on which it has so many."""


def export(hub: Hub, days: Days, most: int | None = None) -> Document:
    """The rows of whole days from the first on; `next` is the day to go on with, None at the end."""
    rules = hub.rules

    def read(tx: Tx) -> tuple[list[Tally], list[Credit], int, int | None]:
        found, end = _first(tx, days, most or MOST_ROWS)
        return found, _paid(tx, rules, Days(days.first, end)), end, reading.entered_until_ms(tx)

    found, paid, end, until_ms = look(hub, lambda tx, farm: read(tx))
    # What a grant is said to pay for somebody bills, whoever owns the machines.
    own = own_pools(rules) - {pool for grant in rules.grants for pool in grant.pools}
    pools = {pool.name: pool for pool in rules.pools}
    books = focus.Books(farm=rules.name, currency=rules.currency, pools=pools, own=own)
    return {
        "schema": 1,
        "form": focus.FORM,
        **range_document(days),
        "next": day_text(end) if end < days.end else None,
        "currency": rules.currency,
        "entered_until_s": None if until_ms is None else seconds(until_ms),
        "columns": [*focus.COLUMNS, *focus.OUR_COLUMNS],
        "rows": focus.rows(found, paid, books),
    }


def _first(tx: Tx, days: Days, most: int) -> tuple[list[Tally], int]:
    """The tallies of whole days until there are `most`, and the day to go on with. Days of which there are none cost nothing."""
    found: list[Tally] = []
    after: tuple[object, ...] = (days.first - 1,)
    while page := tx.find(Tally, "key", limit=reading.PAGE, after=after):
        for tally in page:
            if tally.day >= days.end:
                return found, days.end
            if len(found) >= most and tally.day > found[-1].day:
                return found, tally.day
            found.append(tally)
        after = _place(page[-1])
    return found, days.end


def _paid(tx: Tx, rules: Rules, days: Days) -> list[Credit]:
    """What grants paid on these days; what is left of them then depends on all days since they began."""
    grants = credits_of(rules.grants, own_pools(rules))
    if not grants or days.end <= days.first:
        return []
    since = Days(min(grant.first for grant in grants), days.end)
    drawn = settle(costs_of(reading.tallies(tx, since)), grants).drawn
    return [
        Credit(day=draw.day, grant=draw.grant, pool=draw.pool, amount_micros=amount)
        for draw, amount in drawn.items()
        if days.first <= draw.day
    ]
