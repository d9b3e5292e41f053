"""What credits pay from now on, at the present rate: until when each lasts, what ends unused, what must move when.

Nothing is simulated: each pool goes on as the forecast says; what moves to another pool costs there what the ratio of the
prices of their slots says. Money in micro-units, days since 1970-01-01 (UTC).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby

import msgspec

from penstock.reports.credits import Cost, Credit, Draw, settle

CASH = ""
"""What pays where no credit does."""
HORIZON_DAYS = 1830
"""Five years: nobody plans by a rate of last month beyond that."""
MOVES_MOST = 20
LEAST_DAYS = 7
"""Nobody moves a pool for less."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A rented pool that work can be moved from or to: what it serves, and what a slot of speed 1 costs an hour there."""

    pool: str
    platforms: frozenset[str]
    trust: frozenset[str]
    slot_hour: Fraction


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """From the day `first` to the day `last` a pool is paid by a grant, or in cash (""): `amount_micros` in all.

    On the day on which a credit is used up two of them meet. `is_open`: it goes on when the plan ends."""

    pool: str
    payer: str
    first: int
    last: int
    amount_micros: int
    is_open: bool = False

    @property
    def a_day(self) -> Fraction:
        """The mean of its days."""
        return Fraction(self.amount_micros, self.last - self.first + 1)


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What runs in `pool` moves to the pool `to` on the day `on`, because the credit `grant` pays there."""

    pool: str
    to: str
    on: int
    grant: str
    ratio: Fraction


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How it goes from the day `first` to the day `end` - 1. `unused_micros`: what is left of each credit when it ends."""

    first: int
    end: int
    stretches: tuple[Stretch, ...]
    moves: tuple[Move, ...]
    unused_micros: dict[str, int]

    @property
    def cash_micros(self) -> int:
        """What is due in cash in that time."""
        return sum(one.amount_micros for one in self.stretches if one.payer == CASH)


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """Where a plan begins: today, what is left of each credit, and what each pool is expected to cost on each day from today
    to the one before `end_of` them; a pool that is left out costs nothing."""

    today: int
    credits: tuple[Credit, ...]
    left: dict[str, int]
    days: dict[str, list[int]]


def end_of(known: Iterable[Credit], today: int) -> int:
    """The day after the last of a plan: the second after the last credit's, so that what follows is seen."""
    ends = [one.last for one in known if one.last >= today]
    return min(max(ends, default=today) + 2, today + HORIZON_DAYS)


def plan(now: Now, moves: Sequence[Move] = ()) -> Plan:
    """How it goes on when everything stays as it is, but for `moves`, in the order of their days."""
    end = end_of(now.credits, now.today)
    costs = {
        Cost(day, pool): round(cost)
        for day in range(now.today, end)
        for pool, cost in _costs(now, moves, day).items()
    }
    paid = settle(costs, now.credits, now.left)
    cash = {Draw(*cost, CASH): amount for cost, amount in paid.cash.items()}
    return Plan(
        first=now.today,
        end=end,
        stretches=tuple(sorted(_stretches({**paid.drawn, **cash}, end), key=lambda one: one.first)),
        moves=tuple(moves),
        unused_micros={one.name: paid.left[one.name] for one in now.credits if one.last >= now.today},
    )


def with_moves(now: Now, places: Iterable[Place]) -> Plan:
    """The plan in which work goes where credits pay: whenever a pool would be due in cash, what runs there moves to the pool
    that serves the same and on which a credit that would be left over pays soonest, then cheapest."""
    known, found = {place.pool: place for place in places}, plan(now)
    while len(found.moves) < MOVES_MOST:
        move = _next_move(now, known, found)
        if move is None:
            return found
        found = plan(now, (*found.moves, move))
    return found


def _next_move(now: Now, known: Mapping[str, Place], found: Plan) -> Move | None:
    """The first that avoids cash, after those that are planned."""
    after = max((move.on for move in found.moves), default=now.today)
    left = [one for one in now.credits if found.unused_micros.get(one.name, 0) > 0]
    choices = [
        Move(
            on=max(after, due.first, one.first),
            ratio=_ratio(known[due.pool], place),
            to=place.pool,
            pool=due.pool,
            grant=one.name,
        )
        for due in found.stretches
        if due.payer == CASH and due.pool in known
        for place in known.values()
        if _can_take(known[due.pool], place)
        for one in left
        if one.covers(place.pool) and _is_worth(due, one, after, found.unused_micros[one.name])
    ]
    return min(choices, key=lambda move: (move.on, move.ratio, move.to, move.pool), default=None)


def _is_worth(due: Stretch, credit: Credit, after: int, left_micros: int) -> bool:
    """Whether a credit still pays while cash would be due, and for more than a few days."""
    begin = max(after, due.first, credit.first)
    return begin <= min(due.last, credit.last) and left_micros >= LEAST_DAYS * due.a_day


def _can_take(left: Place, other: Place) -> bool:
    return other.pool != left.pool and other.platforms >= left.platforms and other.trust >= left.trust


def _ratio(left: Place, other: Place) -> Fraction:
    """What work costs elsewhere for each unit that it costs here; the same where nothing is said of prices here."""
    return other.slot_hour / left.slot_hour if left.slot_hour else Fraction(1)


def _costs(now: Now, moves: Sequence[Move], day: int) -> dict[str, Fraction]:
    found = {pool: Fraction(days[day - now.today]) for pool, days in now.days.items()}
    for move in moves:
        if move.on <= day:
            found[move.to] = found.get(move.to, Fraction()) + found.pop(move.pool, Fraction()) * move.ratio
    return found


def _stretches(paid: Mapping[Draw, int], end: int) -> Iterator[Stretch]:
    """Days that follow each other and are paid by the same, as one."""
    for (pool, payer), draws in groupby(sorted(paid, key=_order), key=lambda draw: _order(draw)[:2]):
        for _, several in groupby(enumerate(draws), key=lambda one: one[1].day - one[0]):
            run = [draw for _, draw in several]
            yield Stretch(
                pool=pool,
                payer=payer,
                first=run[0].day,
                last=run[-1].day,
                amount_micros=sum(paid[draw] for draw in run),
                is_open=run[-1].day == end - 1,
            )


def _order(draw: Draw) -> tuple[str, str, int]:
    return draw.pool, draw.grant, draw.day
