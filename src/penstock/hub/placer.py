"""Asks policy/placement what goes where, and writes the offers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from penstock.hub import recorder
from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.queueview import QueueView
from penstock.hub.steps import Step, lead_all, look, take_slot
from penstock.model.curb import Curb
from penstock.model.decision import Place
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.pool_foreign import OURS
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, PoolFacts, Snapshot
from penstock.model.states import AttemptState, JobState
from penstock.policy import placement, retry
from penstock.ports import Tx

TOGETHER = 32
"""Offers written in one transaction: few commits, and none that takes long."""
ALONG = 64
"""Events stamped in the commit of offers, which is not to wait for those of a large build."""
TRIES = 3
"""Decisions in one pass: a machine whose agent called meanwhile would else be left until something rings again."""
OWN = ("local", "owned")
"""Providers of machines that cost the same used or not."""


@dataclass(frozen=True)
class Without:
    """What is left to others: machines of these pools, and jobs of which `takes` says so."""

    pools: frozenset[str] = frozenset()
    takes: Callable[[Ask], bool] = lambda ask: False


NOTHING = Without()


def run_once(
    hub: Hub,
    now_ms: int,
    view: QueueView | None = None,
    stamped: Callable[[list[Event]], None] | None = None,
    without: Without = NOTHING,
) -> dict[str, int]:
    """Offer what can be offered. Those whose job or machine changed meanwhile are decided again, at once or in the next
    pass.

    `view`: what this leader knows already; without one everything is read. `stamped`: is given the events that got
    their positions (recorder) in the commit of the offers, which saves one of its own; without it none do. `without`:
    what the capacity policy decides about (provisioner).
    """
    known = view or QueueView()
    offered = stale = 0
    for _ in range(TRIES):
        written, stale = _place(hub, known, stamped, without)
        offered += written
        if not stale:
            break
    return {"offered": offered, "stale": stale}


def offers(hub: Hub, places: Iterable[Place]) -> list[Callable[[Step], list[Any]]]:
    """Transactions that write these offers, each guarded by what it was decided on; each returns those that were refused."""
    return [
        partial(_apply, chunk=[(place, hub.entropy.token(16)) for place in together])
        for together in _chunks(places)
    ]


def _place(
    hub: Hub, view: QueueView, stamped: Callable[[list[Event]], None] | None, without: Without
) -> tuple[int, int]:
    """One decision and its offers. Returns how many were written and how many were refused."""
    snapshot = look(hub, lambda tx, farm: _seen(hub, tx, farm, view, without))
    places = placement.decide(snapshot).places if snapshot is not None else ()
    if not places:
        return 0, 0
    steps = offers(hub, places)
    done = lead_all(hub, [*steps, partial(recorder.stamp_some, most=ALONG)] if stamped else steps)
    if stamped:
        stamped(done.pop())
    refused = [place for chunk in done for place in chunk]
    for place in refused:
        view.doubt(place.job, place.machine)
    return len(places) - len(refused), len(refused)


def _chunks(places: Iterable[Place]) -> Iterator[list[Place]]:
    """About TOGETHER places each; those of one machine stay together, as its row is written once for all of them."""
    by_machine: dict[str, list[Place]] = {}
    for place in places:
        by_machine.setdefault(place.machine, []).append(place)
    chunk: list[Place] = []
    for group in by_machine.values():
        chunk += group
        if len(chunk) >= TOGETHER:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _seen(hub: Hub, tx: Tx, farm: Farm, view: QueueView, without: Without) -> Snapshot | None:
    """What there is to decide now, with all that was told until now; None when nothing can be placed anyway, or the queue is
    still being read: of one level projects go by their shares, so whoever is not there yet could be next."""
    view.hear(tx.find(Event, "position", 0))
    view.follow(tx)
    free = view.free
    if farm.frozen or not free or not view.complete:
        return None
    groups, wake_ms = view.groups(farm.time_ms, free + 1)
    groups = tuple(group for group in groups if group.ask.agent == OURS)
    machines = tuple(view.machines.values())
    if without.pools:
        groups = tuple(group for group in groups if not without.takes(group.ask))
        machines = tuple(one for one in machines if one.pool not in without.pools)
    if not groups:
        return None
    snapshot = about(hub, machines, farm.time_ms, curbs_now(hub, tx))
    return msgspec.structs.replace(snapshot, groups=groups, wake_ms=wake_ms, running=dict(view.running))


def load(hub: Hub, tx: Tx, farm: Farm) -> Snapshot:
    """The whole farm as placement sees it, read anew. O(queue): for people who ask, and for tests of the view."""
    view = QueueView()
    view.follow(tx)
    groups, wake_ms = view.groups(farm.time_ms)
    snapshot = about(hub, tuple(view.machines.values()), farm.time_ms, curbs_now(hub, tx))
    return msgspec.structs.replace(snapshot, groups=groups, wake_ms=wake_ms, running=dict(view.running))


def about(hub: Hub, machines: tuple[Machine, ...], now_ms: int, curbs: tuple[Curb, ...] = ()) -> Snapshot:
    """Machines and pools as placement sees them, and what guards forbid; the queue is left out."""
    mine: dict[str, list[Machine]] = {pool.name: [] for pool in hub.rules.pools}
    for machine in machines:
        mine.setdefault(machine.pool, []).append(machine)
    hosts = frozenset(name for name, platform in hub.rules.platforms.items() if platform.image == "host")
    return Snapshot(
        now_ms=now_ms,
        machines=machines,
        pools={pool.name: _facts(pool, mine[pool.name], now_ms) for pool in hub.rules.pools},
        fingerprinted=hosts,
        shares={project.name: project.share for project in hub.rules.projects.values()},
        curbs=curbs,
    )


def _facts(pool: Pool, machines: Sequence[Machine], now_ms: int) -> PoolFacts:
    return PoolFacts(
        name=pool.name,
        rented=pool.provider not in OWN,
        reclaimed=pool.reclaim_per_hour > 0,
        suspect=retry.pool_failed(machines, (), now_ms),
        classes=pool.classes,
        projects=pool.projects,
        hub_only=pool.closed,
        through=pool.through,
        agent=pool.agent,
    )


def _apply(step: Step, chunk: Sequence[tuple[Place, str]]) -> list[Place]:
    """Write offers. Returns those that were refused.

    After one refusal a machine gets nothing more in this pass: its versions may have been counted up by others.
    """
    refused: list[Place] = []
    machines: set[str] = set()
    for place, attempt_id in chunk:
        if place.machine in machines or not _offer(step, place, attempt_id):
            refused.append(place)
            machines.add(place.machine)
    return refused


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
