"""Asks policy/placement what goes where, and writes the offers."""

from collections.abc import Sequence
from functools import partial

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead, look, take_slot
from penstock.model.decision import Place
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.snapshot import PoolFacts, Snapshot, groups_of
from penstock.model.states import AttemptState, JobState, Power
from penstock.policy import placement, retry
from penstock.ports import Tx

TOGETHER = 32
"""Offers written in one transaction: few commits, and none that takes long."""
OWN = ("local", "owned")
"""Providers of machines that cost the same used or not."""


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Offer what can be offered. Those whose job or machine changed meanwhile are decided again in the next pass."""
    view = look(hub, lambda tx, farm: load(hub, tx, farm))
    if view is None:
        return {"offered": 0, "stale": 0}
    places = placement.decide(view).places
    offered, changed = 0, frozenset[str]()
    for start in range(0, len(places), TOGETHER):
        chunk = [(place, hub.entropy.token(16)) for place in places[start : start + TOGETHER]]
        written, changed = lead(hub, partial(_apply, chunk=chunk, changed=changed))
        offered += written
    return {"offered": offered, "stale": len(places) - offered}


def load(hub: Hub, tx: Tx, farm: Farm, whole: bool = False) -> Snapshot | None:
    """The farm as placement sees it; None when nothing can be placed anyway, unless it is asked for `whole`."""
    machines = tx.find(Machine, "power", Power.UP)
    room = any(machine.accepting and len(machine.busy) < machine.slots for machine in machines)
    if (farm.frozen or not room) and not whole:
        return None
    groups, wake_ms = groups_of(tx.find(Job, "state", JobState.QUEUED), farm.time_ms)
    if not groups and not whole:
        return None
    pools = {pool.name: _facts(pool, machines, farm.time_ms) for pool in hub.rules.pools}
    hosts = frozenset(name for name, platform in hub.rules.platforms.items() if platform.image == "host")
    return Snapshot(
        now_ms=farm.time_ms,
        groups=groups,
        machines=tuple(machines),
        pools=pools,
        fingerprinted=hosts,
        wake_ms=wake_ms,
    )


def _facts(pool: Pool, machines: Sequence[Machine], now_ms: int) -> PoolFacts:
    mine = [machine for machine in machines if machine.pool == pool.name]
    return PoolFacts(
        name=pool.name,
        rented=pool.provider not in OWN,
        reclaimed=pool.reclaim_per_hour > 0,
        suspect=retry.pool_failed(mine, (), now_ms),
        classes=pool.classes,
    )


def _apply(
    step: Step, chunk: Sequence[tuple[Place, str]], changed: frozenset[str]
) -> tuple[int, frozenset[str]]:
    """Write offers. Returns how many, and the machines that are not what they were.

    After one refusal a machine gets nothing more in this pass: its versions may have been counted up by others.
    """
    offered, refused = 0, set(changed)
    for place, attempt_id in chunk:
        if place.machine not in refused and _offer(step, place, attempt_id):
            offered += 1
        else:
            refused.add(place.machine)
    return offered, frozenset(refused)


def _offer(step: Step, place: Place, attempt_id: str) -> bool:
    """Write one offer if job and machine are what they were when it was decided (I13, I14)."""
    job = step.tx.get(Job, place.job)
    machine = step.tx.get(Machine, place.machine)
    if job is None or (job.version, job.state) != (place.job_version, JobState.QUEUED):
        return False
    if machine is None or machine.version != place.machine_version:
        return False
    attempt = _attempt(step, job, machine, place, attempt_id)
    step.tx.insert(attempt)
    step.put(take_slot(machine, place.slot, attempt))
    changes = {"epoch": job.epoch + 1, "attempts": attempt.n}
    step.move(job, JobState.OFFERED, f"offered to {place.reason}", attempt, **changes)
    step.woken.add(f"machine:{machine.id}")
    return True


def _attempt(step: Step, job: Job, machine: Machine, place: Place, attempt_id: str) -> Attempt:
    return Attempt(
        id=attempt_id,
        job=job.id,
        build=job.build,
        n=job.attempts + 1,
        fence=f"{step.farm.incarnation}:{job.epoch + 1}",
        machine=machine.id,
        slot=place.slot,
        session=machine.session,
        pool=machine.pool,
        project=job.project,
        state=AttemptState.OFFERED,
        why=place.reason,
        size=job.spec.size,
        price_per_hour_micros=machine.price_per_hour_micros,
        offered_ms=step.wall_ms,
        granted_ms=step.now_ms,
        right_until_ms=step.now_ms + step.hub.rules.lease.offer_ms,
    )
