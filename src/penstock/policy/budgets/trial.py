"""What would become of the queue if a guard fired now: where each job starts, and when, as it is and as it would be.

Beside the machines that are up those count that could be ordered: as if they were ordered at once, so that a start there is
the earliest that could be. Pure; O(jobs^2) at worst, so it is for the first few hundred of a queue.
"""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.model.curb import Curb
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, Snapshot
from penstock.model.states import Power
from penstock.model.units import Size
from penstock.policy.budgets.curbs import room
from penstock.policy.capacity.setting import is_owned, planned_ms
from penstock.policy.expectation import Busy, Duration, Start, starts
from penstock.policy.suitability import of_pool, refusals


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job starts, and when from now on. `ordered`: on a machine that is not there yet."""

    pool: str
    ordered: bool
    p50_ms: int
    p90_ms: int


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A job that would start elsewhere or at another time; None: it waits until something changes."""

    job: str
    before: Place | None
    after: Place | None


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """What there is: the pools, how many machines of each are at work, what runs, and how long each job takes."""

    pools: Sequence[Pool]
    at_work: Mapping[str, int]
    busy: Sequence[Busy]
    durations: Mapping[str, Duration]


def tried(snapshot: Snapshot, curb: Curb, hall: Hall) -> tuple[Moved, ...]:
    """All jobs of the snapshot that would be moved by one more curb, in the order of their names."""
    before = _places(snapshot, hall)
    after = _places(msgspec.structs.replace(snapshot, curbs=(*snapshot.curbs, curb)), hall)
    return tuple(
        Moved(job=job, before=before.get(job), after=after.get(job))
        for job in sorted(before.keys() | after.keys())
        if before.get(job) != after.get(job)
    )


def _places(snapshot: Snapshot, hall: Hall) -> dict[str, Place]:
    jobs = sum(len(group.jobs) for group in snapshot.groups)
    pools = {pool.name: pool for pool in hall.pools}
    offers: dict[str, tuple[Pool, int | None]] = {}
    machines: list[Machine] = list(snapshot.machines)
    for pool in hall.pools:
        if not is_owned(pool) and jobs:
            for offered, most in _offered(pool, snapshot.curbs, hall.at_work.get(pool.name, 0), jobs):
                offers[offered.id] = pool, most
                machines.append(offered)

    def takes(ask: Ask, machine: Machine) -> bool:
        if machine.id not in offers:
            return not refusals(ask, machine, snapshot)
        pool, most = offers[machine.id]
        curbed = room(snapshot.curbs, ask, pool.name)
        return not of_pool(ask, pool) and (curbed is None or (most is not None and most <= curbed))

    ready = {name: planned_ms(pool.boot) for name, (pool, _) in offers.items()}
    seen = msgspec.structs.replace(snapshot, machines=tuple(machines))
    found = starts(seen, hall.busy, hall.durations, ready, takes)
    pool_of = {machine.id: machine.pool for machine in machines}
    return {
        job: _place(start, pools[pool_of[start.machine]], start.machine in offers)
        for job, start in found.items()
    }


def _place(start: Start, pool: Pool, ordered: bool) -> Place:
    return Place(pool=pool.name, ordered=ordered, p50_ms=start.p50_ms, p90_ms=start.p90_ms)


def _offered(pool: Pool, curbs: Sequence[Curb], at_work: int, jobs: int) -> list[tuple[Machine, int | None]]:
    """Machines that could be ordered, as one that has all their slots: those up to each number that guards name, with
    that number, and the rest."""
    steps = sorted({count for one in curbs for name, count in one.most if name == pool.name})
    found: list[tuple[Machine, int | None]] = []
    have = at_work
    for most in (*steps, None):
        end = pool.max if most is None else most if pool.max is None else min(most, pool.max)
        count = jobs if end is None else max(0, end - have)
        have = have if end is None else max(have, end)
        slots = min(jobs, count * pool.slots)
        if slots:
            found.append((_machine(pool, slots, most), most))
    return found


def _machine(pool: Pool, slots: int, most: int | None) -> Machine:
    return Machine(
        id=f"{pool.name} ordered {most}",
        name=pool.name,
        pool=pool.name,
        platforms=pool.platforms,
        trust=pool.trust,
        slots=slots,
        has=Size(slots, None),
        sized=False,
        sandbox="bubblewrap",
        price_per_hour_micros=pool.price_per_hour_micros,
        power=Power.UP,
        accepting=True,
    )
