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
PAGE = 500
"""Jobs that are read at once, where many are due."""
MOST = 300
"""Silences, ends and deadlines that one pass deals with; the next one goes on at once. A pass is to stay under a second."""
SILENCES = 1_000
"""So many silences, which are quick to write, and of which many mean something together (hub/holding)."""
NOTHING = {"ended": 0, "extended": 0, "suspected": 0, "expired": 0, "left": 0}
TRUSTED = (Health.UNKNOWN, Health.GOOD)


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Suspect who is silent, return what was offered and not taken, lose what was not renewed, expire who waits.

    At most MOST of them (of silences SILENCES), in this order: first nobody is sent any more where nobody answers, then what ended first is given
    back, and jobs are given up last: what is left may still find a machine. `left`: 1 when the next pass has to go on.
    """
    silent = _silent(hub, now_ms)
    suspected = sum(lead_all(hub, [partial(_suspect, session_id=one) for one in silent[:SILENCES]]))
    overdue, running = _overdue(hub, now_ms)
    extended = _extend_all(hub, overdue, running)
    room = max(0, MOST - len(silent))
    ending = [] if extended else overdue[:room]
    ended = sum(lead_all(hub, [partial(_end, attempt_id=attempt.id) for attempt in ending]))
    room -= len(ending)
    late = _late(hub, now_ms, room + 1)
    expired = sum(lead_all(hub, [partial(_expire, job_id=job) for job in late[:room]]))
    left = len(silent) > SILENCES or len(overdue) > len(ending) or len(late) > room
    return {
        "ended": ended,
        "extended": extended,
        "suspected": suspected,
        "expired": expired,
        "left": int(left),
    }


def _silent(hub: Hub, now_ms: int) -> list[str]:
    """Sessions without a word for too long whose machines do not say so yet, or that have expired meanwhile."""
    since_ms = now_ms - hub.rules.lease.contact_ms
    silent = _due(hub, Session, "contact", lambda session: session.contact_ms <= since_ms)

    def news(tx: Tx, farm: Farm) -> list[str]:
        machines = {session.id: tx.get(Machine, session.machine) for session in silent}
        trusted = {name for name, machine in machines.items() if machine and machine.health in TRUSTED}
        return [one.id for one in silent if one.id in trusted or one.expires_ms <= now_ms]

    return look(hub, news) if silent else []


def _overdue(hub: Hub, now_ms: int) -> tuple[list[Attempt], list[Attempt]]:
    """Attempts whose right or offer is over, the first one first; and, where any that runs is among many, all that run."""
    first = look(hub, partial(_first, kind=Attempt, index="live", limit=FIRST))
    due = [attempt for attempt in first if attempt.right_until_ms <= now_ms]
    if sum(attempt.state == AttemptState.RUNNING for attempt in due) <= 3 and len(due) < FIRST:
        return due, []
    live = look(hub, lambda tx, farm: tx.find(Attempt, "live", True))
    due = [attempt for attempt in live if attempt.right_until_ms <= now_ms]
    return due, [attempt for attempt in live if attempt.state == AttemptState.RUNNING]


def _late(hub: Hub, now_ms: int, most: int) -> list[str]:
    """At most so many jobs that have waited too long. One that began in time is among the open ones, too."""
    found: list[str] = []
    after: tuple[object, ...] = ()
    limit = FIRST
    while len(found) < most:
        jobs = look(hub, partial(_first, kind=Job, index="open", limit=limit, after=after))
        late = [job for job in jobs if job.deadline_ms <= now_ms]
        found += [job.id for job in late if job.state == JobState.QUEUED]
        if len(late) < limit:
            break
        after, limit = (late[-1].deadline_ms, late[-1].id), PAGE
    return found[:most]


def _due(hub: Hub, kind: type[R], index: str, is_due: Callable[[R], bool]) -> list[R]:
    """Records of an index that puts the earliest first, as far as they are due; reads more and more until one is not."""
    limit = FIRST
    while True:
        found = look(hub, partial(_first, kind=kind, index=index, limit=limit))
        if len(found) < limit or not is_due(found[-1]):
            return [record for record in found if is_due(record)]
        limit *= 8


def _first(
    tx: Tx, farm: Farm, kind: type[R], index: str, limit: int, after: tuple[object, ...] = ()
) -> list[R]:
    return tx.find(kind, index, True, limit=limit, after=after)


def _extend_all(hub: Hub, overdue: Sequence[Attempt], running: Sequence[Attempt]) -> int:
    """Too many rights end at once: it is the farm that was not there. All are extended, once, and people told. In one
    transaction: of what it leaves, the next pass would not find too many."""
    fresh = [a for a in overdue if a.state == AttemptState.RUNNING and not a.extended]
    known = [attempt.id for attempt in running if not attempt.extended]
    if not retry.too_many(len(fresh), len(known)):
        return 0
    return lead(hub, lambda step: _extend(step, known, len(fresh)))


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
