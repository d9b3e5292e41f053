"""Settles attempts whose end is recorded: checks what was uploaded, publishes it, then ends attempt and job and
frees what waited, in one transaction."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from penstock.hub import archive
from penstock.hub.beside import AtOnce, Beside
from penstock.hub.context import Hub
from penstock.hub.ender import lose
from penstock.hub.ending import Ending, conclude, mismatch
from penstock.hub.steps import Step, lead_all, look
from penstock.model.artifact import Blob, Module
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job, Output
from penstock.model.states import AttemptState, ModuleState
from penstock.policy import retry
from penstock.ports import StoreError, Tx

AT_ONCE = AtOnce()


@dataclass(frozen=True)
class Case:
    """One recorded end to be settled. `blocked`: what is being deleted has to go first; `booked`: the books know its blobs; `problem`: why
    the farm cannot believe it, "" when it can."""

    attempt: Attempt
    job: Job
    ending: Ending
    blocked: bool = False
    booked: bool = True
    problem: str = ""


def recorded(tx: Tx) -> list[str]:
    """The attempts whose end is recorded, and not settled."""
    return [attempt.id for attempt in tx.find(Attempt, "unsettled", False, AttemptState.FINISHING)]


def run_once(hub: Hub, waiting: Sequence[str], beside: Beside = AT_ONCE) -> dict[str, int]:
    """Settle every recorded end; those whose blobs are being deleted (I17), and those that the blob store cannot
    take now, wait for another pass."""
    settled = settle(hub, waiting, beside) if waiting else 0
    return {"settled": settled, "unsettled": len(waiting) - settled}


def settle(hub: Hub, attempts: Sequence[str], beside: Beside = AT_ONCE) -> int:
    """Settle these attempts, as far as they can be. Returns how many were. Repeats are harmless."""
    found = look(hub, lambda tx, farm: [_load(tx, farm, attempt) for attempt in attempts])
    ready = _booked(hub, [case for case in found if case is not None and not case.blocked])
    checked = beside.results({case.attempt.id: partial(_published, hub, case) for case in ready})
    cases = [case for case in checked.values() if case is not None]
    done = lead_all(hub, [partial(_apply, case=case) for case in cases])
    for case, settled in zip(cases, done, strict=True):
        if settled:
            beside.later(f"discard {case.attempt.id}", partial(_discard, hub, case))
    return sum(done)


def _booked(hub: Hub, cases: Sequence[Case]) -> list[Case]:
    """Those whose blobs are in the books: a name is given after that. Else one that was given, and whose attempt was cancelled before
    anybody heard so, would lie in no book, and nobody would ever delete it."""
    new = [case for case in cases if not case.booked and not case.problem]
    done = lead_all(hub, [partial(_book, case=case) for case in new]) if new else []
    refused = {case.attempt.id for case, booked in zip(new, done, strict=True) if not booked}
    return [case for case in cases if case.attempt.id not in refused]


def _published(hub: Hub, case: Case) -> Case | None:
    """The case with its blobs published, or with its problem; None when it must wait."""
    try:
        problem = case.problem or _publish(hub, case.attempt.id, case.ending.outputs)
        return replace(case, problem=problem)
    except (StoreError, OSError):
        return None


def _discard(hub: Hub, case: Case) -> None:
    """Remove the uploads that got no name; one that stays is pruned later."""
    kept = set() if case.problem else {output.name for output in case.ending.outputs}
    for output in case.attempt.outputs:
        if output.name not in kept:
            with suppress(StoreError, OSError):
                hub.blobs.discard(f"{case.attempt.id}/{output.name}")


def _load(tx: Tx, farm: Farm, attempt_id: str) -> Case | None:
    attempt = tx.get(Attempt, attempt_id)
    job = tx.get(Job, attempt.job) if attempt is not None else None
    if attempt is None or job is None or attempt.state != AttemptState.FINISHING:
        return None
    ending = msgspec.json.decode(attempt.finish_body, type=Ending)
    states = {blob.state if blob else "" for blob in (tx.get(Blob, one.digest) for one in attempt.outputs)}
    return Case(
        attempt,
        job,
        ending,
        blocked=_collecting(tx, job) or "expiring" in states,
        booked=states <= {"stored"},
        problem=mismatch(job.spec, ending, attempt.outputs),
    )


def _collecting(tx: Tx, job: Job) -> bool:
    """Whether what was made of the job's key before is being collected: nothing takes its place until that is over (I17)."""
    module = tx.get(Module, job.spec.trust, job.key) if job.key else None
    return module is not None and module.state == ModuleState.EXPIRING


def _publish(hub: Hub, attempt_id: str, outputs: tuple[Output, ...]) -> str:
    """Give uploads their content names (I12). Returns what is missing, "" when all are there."""
    for output in outputs:
        try:
            hub.blobs.publish(f"{attempt_id}/{output.name}", output.digest)
        except KeyError:
            return f"the upload of {output.name} is not there any more"
    return ""


def _book(step: Step, case: Case) -> bool:
    attempt = step.need(Attempt, case.attempt.id)
    return attempt.state == AttemptState.FINISHING and archive.reserve(step, case.ending.outputs)


def _apply(step: Step, case: Case) -> bool:
    attempt = step.need(Attempt, case.attempt.id)
    if attempt.state != AttemptState.FINISHING or _collecting(step.tx, case.job):
        return False
    if not case.problem and not archive.reserve(step, case.ending.outputs):
        return False
    if case.problem:
        lose(step, attempt, AttemptState.REFUSED, retry.refused(case.problem))
    else:
        conclude(step, attempt, case.ending)
    return True
