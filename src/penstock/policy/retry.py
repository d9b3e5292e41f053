"""What follows when an attempt ends by the farm's fault: again (when, where not), or never again (I4).

Only errors of the farm come here: LOST, LAPSED, REFUSED, PREEMPTED, and CANCELLED by an agent that nobody asked.
A verdict of the job itself (FAILED, TIMED_OUT) is final.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.pool_foreign import OURS
from penstock.model.states import AttemptState, Health

LOSSES_MAX = 5
"""Farm errors that count against a job before it is given up."""
POISON_MACHINES = 3
"""A job that was lost on so many machines, nobody knows why, is itself suspected."""
BLAMED_MAX = 3
"""A machine that so many different jobs were lost on, one after another, is taken out."""
ATTEMPTS_MAX = 25
"""No job is tried more often, whatever the causes; only what ended with its farm is begun again even then."""
TOGETHER_MS = 600_000
"""Machines of a pool that fail within this time (farm time) fail together."""
BACKOFF_MS = (0, 0, 10_000, 30_000, 90_000, 270_000)
"""Pause before the next try, by the number of losses that count."""


_JUDGED = (Health.UNKNOWN, Health.GOOD, Health.SUSPECT)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt ended though its job did not. `text` is stored and shown.

    `counts`: against the job's retries. `blames`: whether the machine may be to blame ("unknown": it or the
    job; "machine": surely it; "": neither). `reclaimed`: next time on a machine that is not (I5).
    """

    text: str
    reclaimed: bool = False
    counts: bool = True
    blames: Literal["", "machine", "unknown"] = ""


RIGHT_ENDED = Cause(text="right ended: not renewed in time", blames="unknown")
OVERRAN = Cause(text="not ended by its agent long after its time limit", blames="machine")
NOT_NAMED = Cause(text="its agent does not hold it any more", blames="unknown")
LAPSED = Cause(
    text="offer not acknowledged by an agent that called meanwhile", counts=False, blames="machine"
)
UNHEARD = Cause(text="offer not acknowledged: no word from the agent", counts=False)
FARM_STOPPED = Cause(text="farm stopped", counts=False)
POOL_FAILED = Cause(text="many machines of the pool failed together", counts=False)
GIVEN_BACK = Cause(text="given back by its agent")


def refused(why: str) -> Cause:
    """The machine could not do it, by its own word."""
    return Cause(text=f"refused by the machine: {why}", blames="machine")


def preempted(why: str) -> Cause:
    """The machine was taken away: a reclaim, a drain, a suspend."""
    return Cause(text=f"machine taken away: {why}", reclaimed=True)


def gone(why: str) -> Cause:
    """Its provider has the machine no more, and did not say before that it would take it away."""
    return Cause(text=f"machine gone: {why}")


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Queue the job again with these values."""

    losses: int
    lost_on: tuple[str, ...]
    not_before_ms: int
    steady: bool
    reason: str


class Over(msgspec.Struct, frozen=True):
    """Do not try again: the job ends as ERROR."""

    reason: str


def too_many(some: int, whole: int) -> bool:
    """True when `some` of `whole` is more than max(3, 20 %): then it is not those few that are at fault."""
    return some > 3 and some * 5 > whole


def pool_failed(machines: Sequence[Machine], also: Sequence[str], now_ms: int) -> bool:
    """True when too many of a pool's `machines` failed together: recently, or just now (`also`, their ids)."""
    recent, whole = record(machines, now_ms)
    return too_many(len(recent | set(also)), whole)


def record(machines: Sequence[Machine], now_ms: int) -> tuple[frozenset[str], int]:
    """The ids of those of a pool's `machines` that failed recently, and how many it has."""
    return frozenset(machine.id for machine in failing(machines, now_ms)), len(_known(machines))


def failing(machines: Sequence[Machine], now_ms: int) -> list[Machine]:
    """Those that failed recently, the first one first."""
    found = [one for one in _known(machines) if one.blamed and now_ms - one.failed_ms < TOGETHER_MS]
    return sorted(found, key=lambda one: (one.failed_ms, one.name))


def suspected_until_ms(machines: Sequence[Machine], now_ms: int) -> int:
    """Until when a pool is suspect, if nothing more fails in it; 0 where it is not."""
    recent, whole, until_ms = failing(machines, now_ms), len(_known(machines)), 0
    while too_many(len(recent), whole):
        until_ms = recent.pop(0).failed_ms + TOGETHER_MS
    return until_ms


def _known(machines: Sequence[Machine]) -> list[Machine]:
    return [machine for machine in machines if machine.health != Health.RETIRED]


def after(job: Job, attempt: Attempt, cause: Cause, now_ms: int) -> Again | Over:
    """What follows for `job` when `attempt` (still as it was before its end) ends by `cause` at `now_ms`."""
    if job.spec.agent != OURS:  # whether it is tried again says the system whose job it is
        reason = f"attempt {attempt.n} ended: {cause.text}"
        return Again(losses=0, lost_on=(), not_before_ms=0, steady=False, reason=reason)
    begun = attempt.state != AttemptState.OFFERED
    if begun and job.spec.retry == "never":
        return Over(f"may have run, and must not run twice (retry: never): {cause.text}")
    losses = job.losses + cause.counts
    lost_on = job.lost_on
    if cause.blames == "unknown" and attempt.machine not in lost_on:
        lost_on = (*lost_on, attempt.machine)
    if len(lost_on) >= POISON_MACHINES:
        return Over(f"poison: lost on {len(lost_on)} machines ({', '.join(lost_on)}): {cause.text}")
    if losses >= LOSSES_MAX or (job.attempts >= ATTEMPTS_MAX and cause != FARM_STOPPED):
        return Over(f"given up after {job.attempts} attempts: {cause.text}")
    pause_ms = BACKOFF_MS[losses] if cause.counts else 0
    return Again(
        losses=losses,
        lost_on=lost_on,
        not_before_ms=now_ms + pause_ms if pause_ms else 0,
        steady=job.steady or cause.reclaimed,
        reason=f"attempt {attempt.n} ended: {cause.text}",
    )


def blamed(machine: Machine, job: str, cause: Cause, now_ms: int, alone: bool = True) -> Machine:
    """The machine after an attempt at `job` ended on it by `cause`: its record, and its health if that is too long.

    `alone` is False when its pool failed together: then it is noted, and not taken out.
    """
    if not cause.blames:
        return machine
    jobs = machine.blamed if job in machine.blamed else (*machine.blamed, job)
    marked = msgspec.structs.replace(
        machine, streak=machine.streak + 1, blamed=jobs[-BLAMED_MAX:], failed_ms=now_ms
    )
    if not alone or len(jobs) < BLAMED_MAX or machine.health not in _JUDGED:
        return marked
    why = f"{len(jobs)} different jobs ended on it by the farm's fault, the last: {cause.text}"
    return msgspec.structs.replace(marked, health=Health.QUARANTINED, health_reason=why)


def forgiven(machine: Machine) -> Machine:
    """The machine without what is held against it."""
    return msgspec.structs.replace(machine, streak=0, blamed=(), failed_ms=0)


def praised(machine: Machine) -> Machine:
    """The machine after an attempt on it ended with a verdict of the job: nothing is held against it."""
    health = Health.GOOD if machine.health == Health.UNKNOWN else machine.health
    if health == machine.health and not machine.streak:
        return machine
    return msgspec.structs.replace(machine, streak=0, blamed=(), health=health)
