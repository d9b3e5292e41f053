"""Finds what went wrong by its silence: offers and rights that ended, machines without a word, jobs that waited
too long."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from penstock.hub.context import Hub
from penstock.hub.ender import lose
from penstock.hub.releaser import follow
from penstock.hub.steps import Step, lead, lead_all, look
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.states import AttemptState, Health, JobState, SessionState
from penstock.policy import retry
from penstock.ports import Tx

R = TypeVar("R", bound=msgspec.Struct)
FIRST = 64
"""How many records are read at first: mostly the earliest few are due."""
NOTHING = {"ended": 0, "extended": 0, "suspected": 0, "expired": 0}
TRUSTED = (Health.UNKNOWN, Health.GOOD)


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Return what was offered and not taken, lose what was not renewed, suspect who is silent, expire who waits."""
    overdue = _due(hub, Attempt, "live", lambda attempt: attempt.right_until_ms <= now_ms)
    extended = _extend_all(hub, overdue)
    ended = sum(lead_all(hub, [partial(_end, attempt_id=attempt.id) for attempt in overdue]))
    suspected = sum(lead_all(hub, [partial(_suspect, session_id=one) for one in _silent(hub, now_ms)]))
    late = _due(hub, Job, "open", lambda job: job.deadline_ms <= now_ms)
    expired = sum(lead_all(hub, [partial(_expire, job_id=job.id) for job in late]))
    return {"ended": ended, "extended": extended, "suspected": suspected, "expired": expired}


def _silent(hub: Hub, now_ms: int) -> list[str]:
    """Sessions without a word for too long whose machines do not say so yet, or that have expired meanwhile."""
    since_ms = now_ms - hub.rules.lease.contact_ms
    silent = _due(hub, Session, "contact", lambda session: session.contact_ms <= since_ms)

    def news(tx: Tx, farm: Farm) -> list[str]:
        machines = {session.id: tx.get(Machine, session.machine) for session in silent}
        trusted = {name for name, machine in machines.items() if machine and machine.health in TRUSTED}
        return [one.id for one in silent if one.id in trusted or one.expires_ms <= now_ms]

    return look(hub, news) if silent else []


def _due(hub: Hub, kind: type[R], index: str, is_due: Callable[[R], bool]) -> list[R]:
    """Records of an index that puts the earliest first, as far as they are due; reads twice as many until one is not."""
    limit = FIRST
    while True:
        found = look(hub, partial(_first, kind=kind, index=index, limit=limit))
        if len(found) < limit or not is_due(found[-1]):
            return [record for record in found if is_due(record)]
        limit *= 2


def _first(tx: Tx, farm: Farm, kind: type[R], index: str, limit: int) -> list[R]:
    return tx.find(kind, index, True, limit=limit)


def _extend_all(hub: Hub, overdue: Sequence[Attempt]) -> int:
    """Too many rights end at once: it is the farm that was not there. All are extended, once, and people told."""
    fresh = [a for a in overdue if a.state == AttemptState.RUNNING and not a.extended]
    if len(fresh) <= 3:
        return 0
    live = look(hub, lambda tx, farm: tx.find(Attempt, "live", True))
    running = [attempt for attempt in live if attempt.state == AttemptState.RUNNING and not attempt.extended]
    if not retry.too_many(len(fresh), len(running)):
        return 0
    return lead(hub, lambda step: _extend(step, [a.id for a in running], len(fresh)))


def _extend(step: Step, attempts: Sequence[str], overdue: int) -> int:
    until_ms = step.now_ms + step.hub.rules.lease.right_ms
    for attempt_id in attempts:
        attempt = step.need(Attempt, attempt_id)
        if attempt.state == AttemptState.RUNNING and not attempt.extended:
            step.put(msgspec.structs.replace(attempt, right_until_ms=until_ms, extended=True))
    reason = f"{overdue} of {len(attempts)} rights ended at once: all were extended once"
    step.tell(Event(kind="farm", state="alert", reason=reason))
    return len(attempts)


def _end(step: Step, attempt_id: str) -> int:
    """End one attempt whose right is over, if it still is."""
    attempt = step.need(Attempt, attempt_id)
    if not attempt.live or attempt.right_until_ms > step.now_ms:
        return 0
    if attempt.state == AttemptState.RUNNING:
        overran = attempt.limit_ms <= step.now_ms
        lose(step, attempt, AttemptState.LOST, retry.OVERRAN if overran else retry.RIGHT_ENDED)
    elif _called_since(step, attempt):
        lose(step, attempt, AttemptState.LAPSED, retry.LAPSED)
    else:
        lose(step, attempt, AttemptState.LOST, retry.UNHEARD)
    return 1


def _called_since(step: Step, offer: Attempt) -> bool:
    """True when the agent has called since the offer was made: it could have heard of it."""
    session = step.tx.get(Session, step.need(Machine, offer.machine).session)
    return session is not None and session.contact_ms > offer.granted_ms


def _suspect(step: Step, session_id: str) -> int:
    """A machine without a word gets nothing new; an expired session without a word ends."""
    session = step.need(Session, session_id)
    machine = step.need(Machine, session.machine)
    if not session.open or session.contact_ms > step.now_ms - step.hub.rules.lease.contact_ms:
        return 0
    after = machine
    if session.expires_ms <= step.now_ms:
        step.put(msgspec.structs.replace(session, state=SessionState.GONE, open=False))
        after = msgspec.structs.replace(after, session="", accepting=False)
    if machine.health in TRUSTED:
        after = msgspec.structs.replace(after, health=Health.SUSPECT, health_reason="no word from its agent")
        step.tell_machine(after)
    if after != machine:
        step.put(after)
    return int(after.health != machine.health)


def _expire(step: Step, job_id: str) -> int:
    """A job that nobody could take for too long ends."""
    job = step.need(Job, job_id)
    if job.state != JobState.QUEUED or job.deadline_ms > step.now_ms:
        return 0
    follow(step, [step.move(job, JobState.EXPIRED, "no machine took it before its deadline in the queue")])
    return 1
