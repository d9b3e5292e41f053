"""What would become of the queue if a guard fired now, from one view of the store."""

from collections import Counter
from typing import Any

import msgspec

from penstock.hub import placer
from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.estimates import Durations
from penstock.hub.outlook import busy_now
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Guarding
from penstock.model.machine import Machine
from penstock.model.rules import Guard
from penstock.model.snapshot import Snapshot, groups_of
from penstock.model.states import GuardState, JobState, Power
from penstock.model.units import seconds
from penstock.policy.budgets.curbs import curb
from penstock.policy.budgets.trial import Hall, Moved, Place, tried
from penstock.ports import Tx

Document = dict[str, Any]
LOOK = 500
"""So many queued jobs are looked at, the first by rank."""
AT_WORK = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING, Power.UP, Power.RESUMING)
"""Machines that a guard's number counts."""


def trial(hub: Hub, tx: Tx, farm: Farm, guard: Guard) -> Document:
    """Which queued jobs would move where, or wait, if this guard fired now, and when they start as it is and then."""
    jobs = {job.id: job for job in tx.find(Job, "state", JobState.QUEUED, limit=LOOK + 1)[:LOOK]}
    durations = Durations(tx)
    live = tx.find(Attempt, "live", True)
    there = Counter(one.pool for power in AT_WORK for one in tx.find(Machine, "power", power))
    hall = Hall(
        pools=hub.rules.pools,
        at_work=there,
        busy=busy_now(tx, farm, live, durations),
        durations={name: durations.of(job) for name, job in jobs.items()},
    )
    fired = Guarding(name=guard.name, state=GuardState.ACTIVE, fired_ms=max(1, farm.time_ms))
    moved = tried(_snapshot(hub, tx, farm, list(jobs.values()), live), curb(guard, hub.rules, fired), hall)
    return {
        "jobs_looked_at": len(jobs),
        "moves": _moves(moved),
        "jobs": [_line(jobs[one.job], one) for one in moved],
    }


def _snapshot(hub: Hub, tx: Tx, farm: Farm, jobs: list[Job], live: list[Attempt]) -> Snapshot:
    groups, _ = groups_of([msgspec.structs.replace(job, not_before_ms=0) for job in jobs], farm.time_ms)
    held: Counter[str] = Counter()
    for attempt in live:
        held[attempt.project] += attempt.size.cores
    machines = tuple(tx.find(Machine, "power", Power.UP))
    snapshot = placer.about(hub, machines, farm.time_ms, curbs_now(hub, tx))
    return msgspec.structs.replace(snapshot, groups=groups, running=dict(held))


def _moves(moved: tuple[Moved, ...]) -> list[Document]:
    """How many jobs go from where to where; None: they wait."""
    counts = Counter((_pool(one.before), _pool(one.after)) for one in moved)
    return [
        {"from": before, "to": after, "jobs": count}
        for (before, after), count in sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    ]


def _pool(place: Place | None) -> str | None:
    return None if place is None else place.pool


def _line(job: Job, one: Moved) -> Document:
    return {
        "id": job.id,
        "name": job.name,
        "platform": job.spec.platform,
        "class": job.spec.klass,
        "before": _start(one.before),
        "after": _start(one.after),
    }


def _start(place: Place | None) -> Document | None:
    """Where and when a job starts; None: nothing takes it."""
    if place is None:
        return None
    return {
        "pool": place.pool,
        "ordered": place.ordered,
        "start_s": seconds(place.p50_ms),
        "start_p90_s": seconds(place.p90_ms),
    }
