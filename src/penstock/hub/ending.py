"""What follows from an end that an agent recorded: the verdict on the job, or another try. Inside a transaction.

An end with uploads waits for the leader, which publishes them first (settler). One without anything to publish is
concluded in the transaction that records it.
"""

from typing import Literal

import msgspec

from penstock.hub import archive
from penstock.hub.ender import lose
from penstock.hub.estimates import learn
from penstock.hub.releaser import follow
from penstock.hub.steps import Step, end_attempt
from penstock.model.artifact import Module
from penstock.model.job import Attempt, Job, JobSpec, Output, Usage
from penstock.model.states import AttemptState, JobState, ModuleState
from penstock.policy import retry

Result = Literal["passed", "failed", "timed_out", "cancelled", "refused", "preempted"]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as its agent says. `remember`: the failure says something about the code."""

    result: Result
    cause: str = ""
    exit_code: int | None = None
    remember: bool = True
    log_bytes: int = 0
    outputs: tuple[Output, ...] = ()
    usage: Usage = Usage()


def cause_of(ending: Ending) -> tuple[AttemptState, retry.Cause]:
    """How an end without a verdict counts, by the agent's word."""
    if ending.result == "refused":
        return AttemptState.REFUSED, retry.refused(ending.cause)
    if ending.result == "preempted":
        return AttemptState.PREEMPTED, retry.preempted(ending.cause)
    back = retry.GIVEN_BACK
    text = f"{back.text}: {ending.cause}" if ending.cause else back.text
    return AttemptState.CANCELLED, msgspec.structs.replace(back, text=text)


def complete(step: Step, attempt: Attempt, ending: Ending) -> bool:
    """True when there is nothing to publish and nothing to wait for: what is being collected is waited for (I17)."""
    if attempt.outputs or ending.outputs:
        return False
    job = step.need(Job, attempt.job)
    module = step.tx.get(Module, job.spec.trust, job.key) if job.key else None
    collecting = module is not None and module.state == ModuleState.EXPIRING
    return not collecting and not mismatch(job.spec, ending, ())


def conclude(step: Step, attempt: Attempt, ending: Ending) -> None:
    """End a finishing attempt and move its job, and what follows from that. What it made must be published."""
    if ending.result == "passed":
        _pass(step, attempt, ending)
    elif ending.result in ("failed", "timed_out"):
        _fail(step, attempt, ending)
    else:
        lose(step, attempt, *cause_of(ending))


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


def _pass(step: Step, attempt: Attempt, ending: Ending) -> None:
    job = step.need(Job, attempt.job)
    made = {output.name: output.digest for output in ending.outputs}
    output = made.get("source" if job.spec.kind == "fetch" else "tree", "")
    output, worktree = archive.verify(step, job, output, made.get("worktree", ""))
    attempt = end_attempt(step, attempt, AttemptState.PASSED, "", outputs=ending.outputs)
    learn(step, job, attempt)
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
