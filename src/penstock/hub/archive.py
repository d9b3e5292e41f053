"""The archive inside a transaction: who makes a key now, what was made first, what failed, which blobs are there."""

from collections.abc import Iterable

import msgspec

from penstock.hub.steps import Step
from penstock.model import states
from penstock.model.artifact import Blob, Failure, Module
from penstock.model.job import Job, Output
from penstock.model.states import ModuleState
from penstock.policy.reuse import Answer, answer, readable, reusable

REMEMBER_MS = 24 * 3_600_000
"""How long a failure is remembered, by the wall clock."""
_KEPT = (ModuleState.VERIFIED, ModuleState.PUBLISHED)


def ask(step: Step, job: Job) -> Answer:
    """What the archive says of the key of a job that is about to be queued. A producer that has ended is none."""
    if not reusable(job.spec):
        return answer(job.spec, (), None, step.wall_ms, job.automatic)
    found = [step.tx.get(Module, trust, job.key) for trust in readable(job.spec.trust)]
    modules = [module for module in found if module is not None and _is_alive(step, module, job)]
    failure = step.tx.get(Failure, job.spec.trust, job.key)
    return answer(job.spec, modules, failure, step.wall_ms, job.automatic)


def claim(step: Step, job: Job) -> None:
    """From now this job makes its key; others that need it wait. What expired under that key begins anew."""
    if not reusable(job.spec):
        return
    old = step.tx.get(Module, job.spec.trust, job.key)
    if old is not None and old.state == ModuleState.EXPIRING:
        return  # what is being collected is left alone (I17); settling waits for its end
    new = _module(job, ModuleState.BUILDING, step.wall_ms)
    if old is None:
        step.tx.insert(new)
    else:
        step.put(msgspec.structs.replace(new, version=old.version))


def abandon(step: Step, job: Job) -> None:
    """This job will not make its key: the claim, if it has it, goes."""
    module = step.tx.get(Module, job.spec.trust, job.key) if job.key else None
    if module is not None and module.state == ModuleState.BUILDING and module.producer == job.id:
        states.step(states.MODULE, module.state, ModuleState.COLLECTED)
        step.put(msgspec.structs.replace(module, state=ModuleState.COLLECTED))


def verify(step: Step, job: Job, output: str, worktree: str) -> tuple[str, str]:
    """A job has made its key. The first verified output wins; returns the winner's (output, worktree)."""
    if not reusable(job.spec):
        return output, worktree
    old = step.tx.get(Module, job.spec.trust, job.key)
    new = _module(job, ModuleState.VERIFIED, step.wall_ms, output, worktree)
    if old is None:
        step.tx.insert(new)
    elif old.state not in _KEPT or _expired(old, step.wall_ms):
        step.put(msgspec.structs.replace(new, version=old.version))
    else:
        if output != old.output and output != old.other_output:
            step.put(msgspec.structs.replace(old, other_output=output))
        return old.output, old.worktree
    return output, worktree


def remember(step: Step, job: Job, reason: str) -> None:
    """This key fails: automatic changes do not run it again for a day."""
    if not reusable(job.spec):
        return
    failure = Failure(
        trust=job.spec.trust,
        key=job.key,
        job=job.id,
        reason=reason,
        until_ms=step.wall_ms + REMEMBER_MS,
    )
    old = step.tx.get(Failure, failure.trust, failure.key)
    if old is None:
        step.tx.insert(failure)
    else:
        step.put(msgspec.structs.replace(failure, version=old.version))


def remembered(step: Step, job: Job) -> bool:
    """True when the failure of exactly this job is what is known of its key."""
    failure = step.tx.get(Failure, job.spec.trust, job.key)
    return failure is not None and failure.job == job.id


def reserve(step: Step, outputs: Iterable[Output]) -> bool:
    """Say of these blobs that they are stored, before they get their names. False while one is being deleted (I17)."""
    ready = True
    for output in {output.digest: output for output in outputs}.values():
        old = step.tx.get(Blob, output.digest)
        new = Blob(digest=output.digest, size_bytes=output.size_bytes, created_ms=step.wall_ms)
        if old is None:
            step.tx.insert(new)
        elif old.state == "COLLECTED":
            step.put(msgspec.structs.replace(new, version=old.version))
        elif old.state == "expiring":
            ready = False
    return ready


def _is_alive(step: Step, module: Module, job: Job) -> bool:
    """False for a claim of this very job, and for one whose job has ended: nobody makes it."""
    if module.state != ModuleState.BUILDING:
        return True
    producer = step.tx.get(Job, module.producer) if module.producer != job.id else None
    return producer is not None and producer.open and not producer.waits_on


def _expired(module: Module, wall_ms: int) -> bool:
    return bool(module.expires_ms) and wall_ms >= module.expires_ms


def _module(job: Job, state: ModuleState, wall_ms: int, output: str = "", worktree: str = "") -> Module:
    spec = job.spec
    expires_ms = wall_ms + spec.reuse_for_ms if spec.reuse_for_ms is not None else 0
    return Module(
        trust=spec.trust,
        key=job.key,
        state=state,
        producer=job.id,
        name=spec.module,
        platform=spec.platform,
        kind=spec.kind,
        output=output,
        worktree=worktree,
        created_ms=wall_ms,
        expires_ms=expires_ms,
    )
