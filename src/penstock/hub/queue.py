"""An agent's calls about its attempts: acknowledge, renew, log, upload, finish; each fenced and repeatable (I2).

The functions that take a Step work inside a transaction that a poll shares between many calls; they check
everything before they write, so a refusal leaves nothing behind.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from penstock.hub import archive
from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.ender import cost, lose, release_machine
from penstock.hub.ending import Ending, cause_of, complete, conclude
from penstock.hub.sessions import session_of, still_welcome
from penstock.hub.steps import Step, change, look
from penstock.model.artifact import Inputs
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job, Output, attempt_moved
from penstock.model.machine import Machine, Session
from penstock.model.states import AttemptState, JobState
from penstock.policy import retry
from penstock.ports import Tx

GRACE_MS = 900_000
"""Beyond its time limit an attempt may fetch and upload for so long before the hub ends it (farm time)."""

Order = Literal["continue", "stop", "drain"]


@dataclass(frozen=True)
class Right:
    """What an agent names with every call about an attempt."""

    machine: str
    attempt: str
    fence: str


@dataclass(frozen=True)
class Work:
    """One offered attempt with all that its agent needs. `right_ms` is what is left of the offer."""

    attempt: Attempt
    job: Job
    right_ms: int
    inputs: Inputs = field(default_factory=lambda: Inputs(job=""))


def acknowledge(hub: Hub, session: Session, attempt: str, fence: str, body_digest: str) -> Attempt:
    """The offer is taken; from now the right runs. A repeat with the same body gets the same answer.

    Raises Refused when the fence is stale, the offer is gone, or another body was accepted; NotFound.
    """
    right = Right(session.machine, attempt, fence)
    return _called(hub, session, lambda step: take(step, right, body_digest))


def renew(hub: Hub, session: Session, attempt: str, fence: str) -> Attempt:
    """Extend the right. Raises Refused when there is none any more; NotFound."""
    return _called(hub, session, lambda step: keep(step, Right(session.machine, attempt, fence)))


def log_grew(hub: Hub, session: Session, attempt: str, fence: str, log_bytes: int) -> Attempt:
    """The hub has so many bytes of the log in all; renews. Raises Refused, NotFound."""
    return _called(hub, session, lambda step: keep(step, Right(session.machine, attempt, fence), log_bytes))


def uploaded(hub: Hub, session: Session, attempt: str, fence: str, output: Output) -> Attempt:
    """Note an upload as the hub has read it; a newer one of the same name replaces it. Raises Refused, NotFound."""
    right = Right(session.machine, attempt, fence)

    def note(step: Step) -> Attempt:
        found = _running(step, right)
        others = tuple(other for other in found.outputs if other.name != output.name)
        return step.put(_renewed(step, msgspec.structs.replace(found, outputs=(*others, output))))

    return _called(hub, session, note)


def finish(hub: Hub, session: Session, attempt: str, fence: str, body_digest: str, ending: Ending) -> Attempt:
    """Record how an attempt ended: right and slot end here; the settler does the rest. Repeatable like acknowledge.

    Raises Refused (stale fence, not acknowledged, another body accepted), NotFound.
    """
    right = Right(session.machine, attempt, fence)
    return _called(hub, session, lambda step: record_end(step, right, body_digest, ending))


def _called(hub: Hub, session: Session, operation: Callable[[Step], Attempt]) -> Attempt:
    """A change by an agent, if it is still one of ours, here. Raises Unauthorized, Moved."""

    def run(step: Step) -> Attempt:
        still_welcome(step.tx, step.farm, session)
        return operation(step)

    return change(hub, run)


def may_write(hub: Hub, session: Session, attempt: str, fence: str) -> Attempt:
    """Check, without writing, that the attempt runs under this fence: before a body is read. Raises Refused, NotFound."""

    def check(tx: Tx, _: object) -> Attempt:
        found = _fenced(tx.get(Attempt, attempt), Right(session.machine, attempt, fence))
        return _live(found)

    return look(hub, check)


def may_finish(hub: Hub, token: str, rights: Iterable[tuple[str, str]]) -> set[str]:
    """Of these (attempt, fence) the attempts that this session may still finish: their last words may be written.

    Raises Unauthorized.
    """

    def check(tx: Tx, farm: Farm) -> set[str]:
        machine = session_of(tx, farm, token).machine
        found = [(tx.get(Attempt, attempt), fence) for attempt, fence in rights]
        return {
            one.id
            for one, fence in found
            if one and one.live and (one.fence, one.machine) == (fence, machine)
        }

    return look(hub, check)


def input_allowed(hub: Hub, session: Session, attempt: str, digest: str) -> bool:
    """True when this blob is among what the live attempt of this machine may read: its $PREFIX and its source."""

    def check(tx: Tx, _: object) -> bool:
        found = tx.get(Attempt, attempt)
        if found is None or found.machine != session.machine or not found.live:
            return False
        inputs = tx.get(Inputs, found.job)
        if inputs is None:
            return False
        return digest == inputs.source or any(part.digest == digest for part in inputs.parts)

    return bool(digest) and look(hub, check)


def work_of(hub: Hub, session: Session, attempt: str) -> Work:
    """What a live attempt of this machine works on. Raises NotFound, Refused when it has ended."""

    def read(tx: Tx, farm: object) -> Work:
        found = tx.get(Attempt, attempt)
        if found is None or found.machine != session.machine:
            raise NotFound("attempt", attempt)
        return load_work(tx, _live(found), 0)

    return look(hub, read)


def load_work(tx: Tx, attempt: Attempt, now_ms: int) -> Work:
    """An attempt with its job and inputs."""
    job = tx.get(Job, attempt.job)
    if job is None:
        raise NotFound("job", attempt.job)
    needy = job.needs or job.source_job
    inputs = (tx.get(Inputs, attempt.job) if needy else None) or Inputs(job=attempt.job)
    return Work(attempt, job, max(0, attempt.right_until_ms - now_ms), inputs)


def take(step: Step, right: Right, body_digest: str) -> Attempt:
    """`acknowledge` inside a transaction."""
    attempt = _fenced(step.tx.get(Attempt, right.attempt), right)
    if attempt.acknowledge_digest:
        if attempt.acknowledge_digest == body_digest:
            return attempt
        raise Refused("another acknowledgement was accepted", stop=False)
    if attempt.state != AttemptState.OFFERED:
        raise Refused(f"the offer is gone: {attempt.state}: {attempt.cause}")
    job = step.need(Job, attempt.job)
    limit_ms = step.now_ms + job.spec.timeout_ms + GRACE_MS
    attempt = attempt_moved(attempt, AttemptState.RUNNING, "", started_ms=step.wall_ms, limit_ms=limit_ms)
    attempt = msgspec.structs.replace(_renewed(step, attempt), acknowledge_digest=body_digest)
    step.move(job, JobState.RUNNING, job.reason, attempt)
    return step.put(attempt)


def keep(step: Step, right: Right, log_bytes: int = 0) -> Attempt:
    """`renew` and `log_grew` inside a transaction: nothing is written when nothing changes."""
    attempt = _fenced(step.tx.get(Attempt, right.attempt), right)
    if attempt.state in (AttemptState.OFFERED, AttemptState.FINISHING):
        return attempt
    _live(attempt)
    return extend(
        step, msgspec.structs.replace(attempt, log_bytes=max(attempt.log_bytes, log_bytes)), attempt
    )


def extend(step: Step, attempt: Attempt, stored: Attempt) -> Attempt:
    """Give a running attempt its full right from now."""
    after = _renewed(step, attempt)
    return after if after == stored else step.put(after)


def record_end(step: Step, right: Right, body_digest: str, ending: Ending) -> Attempt:
    """`finish` inside a transaction."""
    attempt = _fenced(step.tx.get(Attempt, right.attempt), right)
    if attempt.finish_digest:
        if attempt.finish_digest == body_digest:
            return attempt
        raise Refused("another finish was accepted", stop=False)
    if attempt.state == AttemptState.OFFERED and ending.result in ("refused", "preempted"):
        return _decline(step, msgspec.structs.replace(attempt, finish_digest=body_digest), ending)
    if attempt.state != AttemptState.RUNNING:
        raise Refused(f"it does not run: {attempt.state}: {attempt.cause}")
    machine = step.need(Machine, attempt.machine)
    after = attempt_moved(
        attempt,
        AttemptState.FINISHING,
        ending.cause,
        finish_digest=body_digest,
        finish_body=msgspec.json.encode(ending).decode(),
        ended_ms=step.wall_ms,
        log_bytes=max(attempt.log_bytes, ending.log_bytes),
        usage=ending.usage,
        **cost(step, attempt, machine.slots, max(ending.usage.wall_ms, ending.usage.held_ms)),
    )
    judged = ending.result in ("passed", "failed", "timed_out")
    release_machine(step, attempt, retry.praised(machine) if judged else machine, machine)
    archive.reserve(step, attempt.outputs)
    step.woken.add("farm")
    step.put(after)
    step.tell(
        Event(
            kind="attempt",
            build=after.build,
            job=after.job,
            attempt=after.id,
            machine=after.machine,
            state=after.state,
        )
    )
    if not step.farm.frozen and complete(step, after, ending):
        conclude(step, step.need(Attempt, after.id), ending)
    return step.need(Attempt, after.id)


def _decline(step: Step, attempt: Attempt, ending: Ending) -> Attempt:
    """An agent gives an offer back at once."""
    lose(step, attempt, *cause_of(ending))
    return step.need(Attempt, attempt.id)


def _fenced(attempt: Attempt | None, right: Right) -> Attempt:
    """The attempt, if the caller names the fence that it was granted under on this machine. Raises Refused."""
    if attempt is None:
        raise NotFound("attempt", right.attempt)
    if attempt.fence != right.fence or attempt.machine != right.machine:
        raise Refused("stale fence: this right is another's or has ended")
    return attempt


def _live(attempt: Attempt) -> Attempt:
    """The attempt, if it runs. Raises Refused."""
    if attempt.state not in (AttemptState.OFFERED, AttemptState.RUNNING):
        raise Refused(f"it has ended: {attempt.state}: {attempt.cause}")
    return attempt


def _running(step: Step, right: Right) -> Attempt:
    attempt = _fenced(step.tx.get(Attempt, right.attempt), right)
    if attempt.state != AttemptState.RUNNING:
        raise Refused(f"it does not run: {attempt.state}: {attempt.cause}")
    return attempt


def _renewed(step: Step, attempt: Attempt) -> Attempt:
    """The attempt with its full right from now, which its limit ends (not written)."""
    until_ms = min(step.now_ms + step.hub.rules.lease.right_ms, attempt.limit_ms)
    return msgspec.structs.replace(attempt, right_until_ms=until_ms, extended=False)
