"""Which owned machines would do more on another platform: idle ones, while jobs of the other wait or are rented for.

A farm of several platforms has machines that stand idle beside jobs that they may not run. For each pool of owned
machines and each platform that it lacks: had `k` of its machines been of that platform, they would have worked whenever
so many jobs of it waited or ran on rented machines (gained), and been missed when so many of the pool were
busy (lost). Both are counted along the recorded run, so that it is an estimate: moving machines would change the run.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from penstock.model.units import MS_PER_HOUR
from penstock.reports.load import Grid


class Owned(NamedTuple):
    """A pool of owned machines. `slots`: of one machine; `busy`: slots in use, on average in each cell."""

    name: str
    machines: int
    slots: int
    platforms: tuple[str, ...]
    busy: Sequence[float]


class Move(NamedTuple):
    """`machines` of `pool` should be of `platform`. Hours are of slots; `saved` is money, at the price of renting.

    `idle`: which share of the time these machines stood idle. `gained_h`, `lost_h`: work there, and missed here.
    """

    pool: str
    machines: int
    platform: str
    idle: float
    gained_h: float
    lost_h: float
    saved: float


class Wanted(NamedTuple):
    """What other platforms want. `needs`: by platform, jobs that wait or run on rented machines, on average in each cell.

    `price_per_slot_hour`: the cheapest rented slot of each platform; one without any is taken at the dearest of the others.
    """

    needs: Mapping[str, Sequence[float]]
    price_per_slot_hour: Mapping[str, float]
    cells: Grid


def moves(pools: Sequence[Owned], wanted: Wanted) -> list[Move]:
    """At most one move for each pool, while any saves money: the largest saving first, what it serves taken off the rest."""
    found: list[Move] = []
    left = list(pools)
    while best := max(filter(None, (_best(pool, wanted) for pool in left)), key=_saved, default=None):
        found.append(best)
        pool = next(pool for pool in left if pool.name == best.pool)
        left.remove(pool)
        slots = best.machines * pool.slots
        still = [max(0.0, need - slots) for need in wanted.needs[best.platform]]
        wanted = wanted._replace(needs={**wanted.needs, best.platform: still})
    return found


def _saved(move: Move) -> float:
    return move.saved


def _best(pool: Owned, wanted: Wanted) -> Move | None:
    """The move of one pool that saves most; None when none does."""
    most: Move | None = None
    for machines in range(1, pool.machines + 1):
        for platform in wanted.needs:
            if platform in pool.platforms:
                continue
            move = _move(pool, machines, platform, wanted)
            if _can_be(pool, move, wanted) and move.saved > (most.saved if most else 0):
                most = move
    return most


def _can_be(pool: Owned, move: Move, wanted: Wanted) -> bool:
    """What nobody rents out stays where it is needed: such a pool keeps a machine, and all of its work."""
    rented = all(platform in wanted.price_per_slot_hour for platform in pool.platforms)
    return rented or (move.machines < pool.machines and move.lost_h == 0)


def _move(pool: Owned, machines: int, platform: str, wanted: Wanted) -> Move:
    cells, prices = wanted.cells, wanted.price_per_slot_hour
    hours = cells.step_ms / MS_PER_HOUR
    slots = machines * pool.slots
    left = (pool.machines - machines) * pool.slots
    gained = sum(min(slots, need) for need in wanted.needs[platform]) * hours
    lost = sum(max(0.0, used - left) for used in pool.busy) * hours
    saved = gained * _price(prices, (platform,)) - lost * _price(prices, pool.platforms)
    idle = 1 - lost / (slots * cells.cells * hours)
    return Move(pool.name, machines, platform, idle, gained, lost, saved)


def _price(prices: Mapping[str, float], platforms: Sequence[str]) -> float:
    """What a slot for jobs of these platforms is rented for."""
    known = [prices[platform] for platform in platforms if platform in prices]
    return max(known) if known else max(prices.values(), default=0.0)
