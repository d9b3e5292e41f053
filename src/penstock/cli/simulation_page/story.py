"""What the page tells, gathered from runs: load over time, waits by group, the worst hour, machines on the wrong platform."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from penstock.cli.simulation.runs import Run
from penstock.cli.simulation_page.machines import Machines
from penstock.model.outcome import Outcome
from penstock.model.rules import Pool
from penstock.model.units import MICROS_PER_UNIT, MS_PER_HOUR
from penstock.model.workload import UNKNOWN, Workload
from penstock.policy.capacity.setting import machines_of
from penstock.reports import load
from penstock.reports.load import Grid, Span
from penstock.reports.moves import Move, Owned, Wanted, moves
from penstock.reports.waits import by_group, wait_column

CELLS_MOST = 20_000


class Told(NamedTuple):
    """A run and what only its events say."""

    run: Run
    machines: Machines
    waits: array[int]


class Load(NamedTuple):
    """Over time, in slots, a value a cell: in use of owned and of rented machines; slots up; most jobs waiting."""

    cells: Grid
    owned: list[float]
    rented: list[float]
    up: list[float]
    coming: list[float]
    waiting: list[int]


def told(run: Run, machines: Machines) -> Told:
    """What is needed of a run for its page."""
    machines.end(run.outcome.ended_ms)
    return Told(run, machines, wait_column(run.outcome))


def load_of(one: Told, cells: Grid) -> Load:
    """Load on a grid."""
    outcome = one.run.outcome
    rows = load.rows_by(outcome.pool, len(outcome.pools))
    count = len(outcome.pools)
    used = [load.mean_inside(load.running(outcome, rows[n]), cells) for n in range(count)]
    up = [_slots(one, n, cells, coming=False) for n in range(count)]
    coming = [_slots(one, n, cells, coming=True) for n in range(count)]
    return Load(
        cells,
        _summed([used[n] for n in range(count) if outcome.owned[n]], cells),
        _summed([used[n] for n in range(count) if not outcome.owned[n]], cells),
        _summed(up, cells),
        _summed(coming, cells),
        load.most_inside(load.waiting(outcome), cells),
    )


def _summed(columns: Sequence[Sequence[float]], cells: Grid) -> list[float]:
    return [sum(values) for values in zip(*columns, strict=True)] if columns else [0.0] * cells.cells


def _slots(one: Told, number: int, cells: Grid, coming: bool) -> list[float]:
    """Slots of a pool that are up (or coming). Owned machines of which no event tells are always up."""
    pool, outcome = one.run.farm.rules.pools[number], one.run.outcome
    spans = (one.machines.coming if coming else one.machines.up).get(pool.name, [])
    if outcome.owned[number] and not coming and not spans:
        spans = [(outcome.begun_ms, outcome.ended_ms)] * machines_of(pool)
    return [pool.slots * machines for machines in load.mean_inside(spans, cells)]


# Waits --------------------------------------------------------------------------------------------------------------


def waits_by(workload: Workload, one: Told, kind: str) -> dict[str, list[int]]:
    """Ordered waits by "platform" or "class", the groups with most jobs first."""
    column, names = (
        (workload.platform, workload.platforms) if kind == "platform" else (workload.klass, workload.classes)
    )
    groups = by_group(one.waits, column, names)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


# The worst hour -------------------------------------------------------------------------------------------------------


def worst_hour(runs: Sequence[Told]) -> int | None:
    """The hour whose jobs waited longest, summed over all runs; None when nobody waited."""
    waited: dict[int, int] = {}
    for one in runs:
        for ready, wait in zip(one.run.outcome.ready_ms, one.waits, strict=True):
            if wait > 0:
                hour = ready // MS_PER_HOUR
                waited[hour] = waited.get(hour, 0) + wait
    return max(waited, key=lambda hour: (waited[hour], -hour)) * MS_PER_HOUR if waited else None


class Hour(NamedTuple):
    """What a run did in one hour. `load`: from half an hour before it to an hour after it, minute by minute."""

    jobs: int
    mean_ms: float
    max_ms: int
    queue: int
    ordered: int
    up_most: float
    load: Load


def hour_of(one: Told, begun_ms: int) -> Hour:
    """One run in the hour from `begun_ms`."""
    ended_ms = begun_ms + MS_PER_HOUR
    rows = [n for n, ready in enumerate(one.run.outcome.ready_ms) if begun_ms <= ready < ended_ms]
    found = [one.waits[n] for n in rows if one.waits[n] != UNKNOWN]
    around = Grid(begun_ms - MS_PER_HOUR // 2, load.MINUTE_MS, 150)
    seen = load_of(one, around)
    ordered = sum(begun_ms <= at < ended_ms for orders in one.machines.orders.values() for at in orders)
    inside = slice(30, 90)
    return Hour(
        len(rows),
        sum(found) / len(found) if found else 0.0,
        max(found, default=0),
        max(seen.waiting[inside]),
        ordered,
        max(seen.up[inside]),
        seen,
    )


# Machines on the wrong platform ------------------------------------------------------------------------------------------


def moves_of(workload: Workload, one: Told) -> list[Move]:
    """Owned machines that would have done more on another platform."""
    outcome, pools = one.run.outcome, one.run.farm.rules.pools
    cells = load.grid(outcome.begun_ms, outcome.ended_ms, CELLS_MOST)
    rows = load.rows_by(outcome.pool, len(pools))
    owned = [
        Owned(
            pool.name, machines_of(pool), pool.slots, pool.platforms,
            load.mean_inside(load.running(outcome, rows[n]), cells),
        )
        for n, pool in enumerate(pools)
        if outcome.owned[n]
    ]  # fmt: skip
    wanted = Wanted(_needs(workload, outcome, cells), _rents(pools, outcome), cells)
    return moves(owned, wanted)


def _needs(workload: Workload, outcome: Outcome, cells: Grid) -> dict[str, list[float]]:
    """By platform, jobs that waited or ran on rented machines."""
    found = {}
    for number, rows in enumerate(load.rows_by(workload.platform, len(workload.platforms))):
        rented = [n for n in rows if outcome.pool[n] >= 0 and not outcome.owned[outcome.pool[n]]]
        spans: list[Span] = [*load.waiting(outcome, rows), *load.running(outcome, rented)]
        if spans:
            found[workload.platforms[number]] = load.mean_inside(spans, cells)
    return found


def _rents(pools: Sequence[Pool], outcome: Outcome) -> dict[str, float]:
    """The cheapest rented slot of each platform, for an hour."""
    found: dict[str, float] = {}
    for pool, is_owned in zip(pools, outcome.owned, strict=True):
        if not is_owned:
            price = pool.price_per_hour_micros / MICROS_PER_UNIT / pool.slots
            for platform in pool.platforms:
                found[platform] = min(price, found.get(platform, price))
    return found
