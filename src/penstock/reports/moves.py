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
    """The best move of each pool that saves money, the largest saving first."""
    found = [_best(pool, wanted) for pool in pools]
    return sorted((move for move in found if move), key=lambda move: (-move.saved, move.pool))


def _best(pool: Owned, wanted: Wanted) -> Move | None:
    """The move of one pool that saves most; None when none does."""
    most: Move | None = None
    for machines in range(1, pool.machines + 1):
        for platform in wanted.needs:
            if platform in pool.platforms:
                continue
            move = _move(pool, machines, platform, wanted)
            if move.saved > (most.saved if most else 0):
                most = move
    return most


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
