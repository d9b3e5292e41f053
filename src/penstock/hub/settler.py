"""Settles attempts whose end is recorded: checks what was uploaded, publishes it, then ends attempt and job and
frees what waited, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from penstock.hub import archive
from penstock.hub.context import Hub
from penstock.hub.ender import lose
from penstock.hub.queue import Ending, cause_of
from penstock.hub.releaser import follow
from penstock.hub.steps import Step, end_attempt, lead_all, look
from penstock.model.artifact import Blob, Module
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job, JobSpec, Output
from penstock.model.states import AttemptState, JobState, ModuleState
from penstock.policy import retry
from penstock.ports import StoreError, Tx


@dataclass(frozen=True)
class Case:
    """One recorded end to be settled. `problem`: why the farm cannot believe it, "" when it can."""

    attempt: Attempt
    job: Job
    ending: Ending
    blocked: bool = False
    problem: str = ""


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Settle every recorded end; those whose blobs are being deleted (I17), and those that the blob store cannot
    take now, wait for the next pass."""
    waiting = look(hub, lambda tx, farm: tx.find(Attempt, "unsettled", False, AttemptState.FINISHING))
    settled = settle(hub, [attempt.id for attempt in waiting])
    return {"settled": settled, "unsettled": len(waiting) - settled}


def settle(hub: Hub, attempts: Sequence[str]) -> int:
    """Settle these attempts, as far as they can be. Returns how many were. Repeats are harmless."""
    found = look(hub, lambda tx, farm: [_load(tx, farm, attempt) for attempt in attempts])
    cases = [checked for case in found if case and (checked := _published(hub, case))]
    done = lead_all(hub, [partial(_apply, case=case) for case in cases])
    for case, settled in zip(cases, done, strict=True):
        if settled:
            _discard(hub, case)
    return sum(done)


def _published(hub: Hub, case: Case) -> Case | None:
    """The case with its blobs published, or with its problem; None when it must wait."""
    if case.blocked:
        return None
    problem = mismatch(case.job.spec, case.ending, case.attempt.outputs)
    try:
        return replace(case, problem=problem or _publish(hub, case.attempt.id, case.ending.outputs))
    except (StoreError, OSError):
        return None


def _discard(hub: Hub, case: Case) -> None:
    """Remove the uploads that got no name; one that stays is pruned later."""
    kept = set() if case.problem else {output.name for output in case.ending.outputs}
    for output in case.attempt.outputs:
        if output.name not in kept:
            hub.blobs.discard(f"{case.attempt.id}/{output.name}")


def mismatch(spec: JobSpec, ending: Ending, uploads: tuple[Output, ...]) -> str:
    """Why what an agent says it uploaded is not what the hub read, or not all that the job makes; "" when it is."""
    if ending.result not in ("passed", "failed", "timed_out"):
        return ""
    read = {output.name: output for output in uploads}
    for said in ending.outputs:
        if said.name not in read:
            return f"{said.name} was not uploaded"
        if said.digest != read[said.name].digest:
            return f"{said.name} arrived as {read[said.name].digest}, not as {said.digest}"
    names = {output.name for output in ending.outputs}
    missing = [name for name in outputs_of(spec) if name not in names]
    return f"{missing[0]} is missing" if missing and ending.result == "passed" else ""


def outputs_of(spec: JobSpec) -> tuple[str, ...]:
    """The outputs that a passed job must have."""
    if spec.kind == "test":
        return ()
    if spec.kind == "fetch":
        return ("source",)
    return ("tree", "worktree") if spec.keep_worktree else ("tree",)


def _load(tx: Tx, farm: Farm, attempt_id: str) -> Case | None:
    attempt = tx.get(Attempt, attempt_id)
    job = tx.get(Job, attempt.job) if attempt is not None else None
    if attempt is None or job is None or attempt.state != AttemptState.FINISHING:
        return None
    ending = msgspec.json.decode(attempt.finish_body, type=Ending)
    blobs = [tx.get(Blob, output.digest) for output in attempt.outputs]
    module = tx.get(Module, job.spec.trust, job.key)
    collecting = module is not None and module.state == ModuleState.EXPIRING
    blocked = collecting or any(blob is not None and blob.state == "expiring" for blob in blobs)
    return Case(attempt, job, ending, blocked)


def _publish(hub: Hub, attempt_id: str, outputs: tuple[Output, ...]) -> str:
    """Give uploads their content names (I12). Returns what is missing, "" when all are there."""
    for output in outputs:
        try:
            hub.blobs.publish(f"{attempt_id}/{output.name}", output.digest)
        except KeyError:
            return f"the upload of {output.name} is not there any more"
    return ""


def _apply(step: Step, case: Case) -> bool:
    attempt = step.need(Attempt, case.attempt.id)
    if attempt.state != AttemptState.FINISHING:
        return False
    if not case.problem and not archive.reserve(step, case.ending.outputs):
        return False
    result = case.ending.result
    if case.problem:
        lose(step, attempt, AttemptState.REFUSED, retry.refused(case.problem))
    elif result == "passed":
        _pass(step, attempt, case.ending)
    elif result in ("failed", "timed_out"):
        _fail(step, attempt, case.ending)
    else:
        lose(step, attempt, *cause_of(case.ending))
    return True


def _pass(step: Step, attempt: Attempt, ending: Ending) -> None:
    job = step.need(Job, attempt.job)
    made = {output.name: output.digest for output in ending.outputs}
    output = made.get("source" if job.spec.kind == "fetch" else "tree", "")
    output, worktree = archive.verify(step, job, output, made.get("worktree", ""))
    attempt = end_attempt(step, attempt, AttemptState.PASSED, "", outputs=ending.outputs)
    reason = f"passed on attempt {attempt.n}"
    follow(step, [step.move(job, JobState.PASSED, reason, attempt, output=output, worktree=worktree)])


def _fail(step: Step, attempt: Attempt, ending: Ending) -> None:
    job = step.need(Job, attempt.job)
    late = ending.result == "timed_out"
    state = AttemptState.TIMED_OUT if late else AttemptState.FAILED
    reason = ending.cause or _said(ending, job)
    if ending.remember and not late:
        archive.remember(step, job, reason)
    attempt = end_attempt(step, attempt, state, reason, outputs=ending.outputs)
    follow(step, [step.move(job, JobState.FAILED, reason, attempt)])


def _said(ending: Ending, job: Job) -> str:
    if ending.result == "timed_out":
        return f"timed out after {job.spec.timeout_ms // 1000} s"
    return f"exit status {ending.exit_code}" if ending.exit_code is not None else "failed"
