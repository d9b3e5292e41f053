"""The poll of an agent: renews all that it names, returns open offers, finds what it holds no more (I2)."""

from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from penstock.hub import queue
from penstock.hub.context import Hub, NotFound, Refused, Unauthorized
from penstock.hub.ender import lose
from penstock.hub.queue import Ending, Right, Work
from penstock.hub.sessions import Held, Ordered, order_for, session_of, taken_out
from penstock.hub.steps import Step, begin, change, look
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.states import AttemptState, Health, JobState, Power, SessionState
from penstock.policy import retry
from penstock.ports import Tx

LEAVES = "its provider will take it back"


@dataclass(frozen=True)
class Acknowledged:
    """An acknowledgement that a poll carries; `body_digest` is of this part of the body."""

    attempt: str
    fence: str
    body_digest: str


@dataclass(frozen=True)
class Finished:
    """A finish that a poll carries."""

    attempt: str
    fence: str
    body_digest: str
    ending: Ending


@dataclass(frozen=True)
class Trouble:
    """Downloads from one host that failed since the poll before."""

    host: str
    what: str
    count: int


@dataclass(frozen=True)
class Said:
    """What an agent says: `call` rises with every call of the session; `holds` names all that it has. `leaves_ms`: its machine
    will be taken away in so long, None = not known."""

    call: int
    holds: tuple[Held, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()
    finished: tuple[Finished, ...] = ()
    draining: bool = False
    unclean: str = ""
    trouble: tuple[Trouble, ...] = ()
    leaves_ms: int | None = None


@dataclass(frozen=True)
class Answer:
    """What became of one acknowledgement or finish: HTTP status and, if refused, why."""

    attempt: str
    status: int
    reason: str = ""


@dataclass(frozen=True)
class Heard:
    """The hub's answer: open offers that were not named, an order for each attempt that was, what became of the rest.

    `more`: something ended here and nothing was offered yet, while jobs wait: an offer may come in a moment.
    """

    offers: tuple[Work, ...] = ()
    orders: tuple[Ordered, ...] = ()
    acknowledged: tuple[Answer, ...] = ()
    finished: tuple[Answer, ...] = ()
    drain: bool = False
    more: bool = False


def poll(hub: Hub, session: Session, said: Said) -> Heard:
    """One call of an agent, whole, in one transaction.

    Raises Unauthorized when the session has ended, Refused for a call that comes after a later one (it changes
    nothing).
    """
    return change(hub, lambda step: _poll(step, session, said))


def begin_poll(hub: Hub, token: str, said: Said) -> Future[tuple[Session, Heard]]:
    """As `poll`, for whoever shows this token, without waiting; gives the session, too."""

    def whole(step: Step) -> tuple[Session, Heard]:
        session = session_of(step.tx, step.farm, token)
        return session, _poll(step, session, said)

    return begin(hub, whole)


def open_offers(hub: Hub, session: Session) -> tuple[Work, ...]:
    """Offers that wait for this machine's acknowledgement now: what a long poll looks at when it is woken."""

    def read(tx: Tx, farm: Farm) -> tuple[Work, ...]:
        now = tx.get(Session, session.id)
        live = tx.find(Attempt, "machine", session.machine, True) if now is not None and now.open else []
        return tuple(queue.load_work(tx, a, farm.time_ms) for a in live if _open_to(a, session))

    return look(hub, read)


def _open_to(attempt: Attempt, session: Session) -> bool:
    """An offer made to this very session: an older poll that still waits takes nothing from a newer agent."""
    return attempt.state == AttemptState.OFFERED and attempt.session == session.id


def _poll(step: Step, session: Session, said: Said) -> Heard:
    machine = _contact(step, session, said)
    taken = tuple(_answered(step, machine, one) for one in said.acknowledged)
    ended = tuple(_answered(step, machine, one) for one in said.finished)
    if said.leaves_ms is not None:
        _leave(step, machine, said.leaves_ms)
    named = {held.attempt: held for held in said.holds}
    named |= {one.attempt: Held(attempt=one.attempt, fence=one.fence) for one in said.acknowledged}
    live = step.tx.find(Attempt, "machine", machine, True)
    offers = tuple(
        queue.load_work(step.tx, one, step.now_ms)
        for one in live
        if one.state == AttemptState.OFFERED and not _names(named, one)
    )
    for attempt in live:
        if attempt.state == AttemptState.RUNNING:
            _hear_of(step, attempt, _names(named, attempt))
    known = {attempt.id: attempt for attempt in live}
    orders = tuple(order_for(known.get(h.attempt) or step.tx.get(Attempt, h.attempt), h) for h in said.holds)
    drain = step.need(Machine, machine).power == Power.DRAINING
    more = bool(ended) and not offers and bool(step.tx.find(Job, "state", JobState.QUEUED, limit=1))
    return Heard(offers, orders, taken, ended, drain, more)


def _leave(step: Step, machine_id: str, left_ms: int) -> None:
    """The machine will be taken away: nothing new goes there, and what runs there begins elsewhere now (I5) instead of when
    it is gone. What just ended there has been heard."""
    machine = step.need(Machine, machine_id)
    if not machine.leaves_ms:
        step.put(msgspec.structs.replace(machine, leaves_ms=step.now_ms + max(1, left_ms)))
        step.woken.add("farm")
    for attempt in step.tx.find(Attempt, "machine", machine_id, True):
        lose(step, attempt, AttemptState.PREEMPTED, retry.preempted(LEAVES))


def _names(named: dict[str, Held], attempt: Attempt) -> bool:
    held = named.get(attempt.id)
    return held is not None and held.fence == attempt.fence


def _hear_of(step: Step, attempt: Attempt, named: bool) -> None:
    """A running attempt is renewed when it is named, lost when it is not: its agent was told and has forgotten it."""
    if named:
        queue.extend(step, attempt, attempt)
    else:
        lose(step, attempt, AttemptState.LOST, retry.NOT_NAMED)


def _contact(step: Step, caller: Session, said: Said) -> str:
    """Note the call. Returns the machine's id."""
    session = step.tx.get(Session, caller.id)
    if session is None or not session.open:
        raise Unauthorized("the session has ended: register again")
    # The same number is the same call again: its hub died with the answer, and it went to another one.
    if said.call < session.call:
        raise Refused(f"call {said.call} came after call {session.call}", stop=False)
    busy = SessionState.BUSY if said.holds else SessionState.IDLE
    state = SessionState.DRAINING if said.draining else busy
    step.put(msgspec.structs.replace(session, call=said.call, contact_ms=step.now_ms, state=state))
    for one in said.trouble:
        why = f"{one.count} downloads failed: {one.what}"
        step.tell(Event(kind="download", machine=session.machine, state=one.host, reason=why))
    machine = step.need(Machine, session.machine)
    after = msgspec.structs.replace(machine, accepting=not said.draining and said.leaves_ms is None)
    if machine.health == Health.SUSPECT:
        after = msgspec.structs.replace(after, health=Health.GOOD, health_reason="")
        step.tell_machine(after)
    after = taken_out(step, after, said.unclean)
    if after != machine:
        step.put(after)
        step.woken.add("farm")
    return machine.id


def _answered(step: Step, machine: str, one: Acknowledged | Finished) -> Answer:
    """Do what one part of a poll asks for; what is refused is answered, not raised."""
    right = Right(machine, one.attempt, one.fence)
    try:
        if isinstance(one, Finished):
            queue.record_end(step, right, one.body_digest, one.ending)
        else:
            queue.take(step, right, one.body_digest)
    except Refused as refused:
        return Answer(one.attempt, 409, refused.reason)
    except NotFound as missing:
        return Answer(one.attempt, 404, str(missing))
    return Answer(one.attempt, 200)
