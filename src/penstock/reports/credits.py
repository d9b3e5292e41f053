"""Sponsored credits against what things cost: what they paid, what is left of them, what was due in cash.

What a credit pays and what is paid in cash are different numbers, and are never netted: together they are the cost, day
by day and pool by pool. Money in micro-units, days since 1970-01-01 (UTC).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from penstock.model.ledger import Tally
from penstock.model.rules import Grant
from penstock.model.units import micros
from penstock.reports.costs import day_number


class Cost(NamedTuple):
    """What a pool cost on a day; "" = no pool in particular."""

    day: int
    pool: str


class Draw(NamedTuple):
    """What a credit paid: of which pool's cost, on which day."""

    day: int
    pool: str
    grant: str


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """A grant as it is reckoned with: from the day `first` to the day `last`, both included. `pools`: those it pays for,
    empty = each that is not one of `own`, those that are owned."""

    name: str
    amount_micros: int
    first: int
    last: int
    pools: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def covers(self, pool: str) -> bool:
        """Whether it pays for a pool. For what is of no pool no credit pays."""
        return pool in self.pools if self.pools else bool(pool) and pool not in self.own

    def lives(self, day: int) -> bool:
        """Whether it pays on a day."""
        return self.first <= day <= self.last


class Paid(msgspec.Struct, kw_only=True):
    """How costs were paid. `left`: of each credit; `drawn` and `cash` hold no zeros."""

    left: dict[str, int]
    drawn: dict[Draw, int] = {}
    cash: dict[Cost, int] = {}

    def by_grant(self, name: str) -> int:
        """What a credit paid."""
        return sum(amount for draw, amount in self.drawn.items() if draw.grant == name)


def credits_of(grants: Iterable[Grant], own: Collection[str]) -> list[Credit]:
    """Grants in the order in which they are used: what ends first is used first, then what pays for fewer pools."""
    found = [
        Credit(
            name=grant.name,
            amount_micros=micros(grant.amount),
            first=day_number(date.fromisoformat(grant.start)),
            last=day_number(date.fromisoformat(grant.until)),
            pools=frozenset(grant.pools),
            own=frozenset(own),
        )
        for grant in grants
    ]
    return sorted(found, key=lambda one: (one.last, not one.pools, len(one.pools), one.first, one.name))


def costs_of(tallies: Iterable[Tally]) -> dict[Cost, int]:
    """What each pool cost on each day."""
    found: defaultdict[Cost, int] = defaultdict(int)
    for tally in tallies:
        found[Cost(tally.day, tally.pool)] += tally.amount_micros
    return dict(found)


def settle(
    costs: Mapping[Cost, int], grants: Iterable[Credit], left: Mapping[str, int] | None = None
) -> Paid:
    """Pays costs day by day, each from the credits in the order given, what is left in cash.

    `left`: what is left of credits before the first day, all of them where it is not said."""
    known = list(grants)
    paid = Paid(left={one.name: one.amount_micros for one in known} | dict(left or {}))
    for cost in sorted(costs):
        rest = costs[cost]
        for one in known:
            if rest > 0 and one.lives(cost.day) and one.covers(cost.pool):
                rest -= _drawn(paid, Draw(*cost, one.name), rest)
        if rest:
            paid.cash[cost] = rest
    return paid


def _drawn(paid: Paid, draw: Draw, wanted: int) -> int:
    amount = max(0, min(wanted, paid.left[draw.grant]))
    if amount:
        paid.drawn[draw] = amount
        paid.left[draw.grant] -= amount
    return amount
