"""Stands in for a service that the hub does not have: nothing of it makes a module or a blob expire, or collects one.

It does what such a service would have to: within one transaction it looks at who still reads, and says what expires; then it
deletes; and only when that was answered it says that it is collected. So the other side of I17, which the hub has, is tried:
who claims, settles, reserves and reuses meanwhile.
"""

from collections.abc import Iterator
from functools import partial

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead, look
from penstock.model.artifact import Blob, Inputs, Module
from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.states import MODULE, AttemptState, ModuleState
from penstock.model.states import step as state_step
from penstock.ports import StoreError, Tx

KEPT = (ModuleState.VERIFIED, ModuleState.PUBLISHED)


def run_once(hub: Hub, keep_ms: int) -> None:
    """One pass: what nobody reads and what is older than this, by the wall clock, expires; half of what did before goes:
    it takes its time."""
    old, expiring = look(hub, lambda tx, farm: (_old(tx, hub.clock.wall_ms() - keep_ms), _expiring(tx)))
    if any(old):
        lead(hub, partial(_expire, keep_ms=keep_ms))
    for blob in expiring[: (len(expiring) + 1) // 2]:
        try:
            hub.blobs.delete(blob.digest)
        except StoreError:
            continue  # it is asked again the next time
        lead(hub, partial(_collect, digest=blob.digest))


def pinned(tx: Tx) -> set[str]:
    """Blobs that somebody reads or will: jobs of open builds, those that run though their build gave them up, and what
    is on its way to its name."""
    return set(_pins(tx))


def _pins(tx: Tx) -> Iterator[str]:
    for build in tx.find(Build, "open", True):
        for job in tx.find(Job, "build", build.id):
            yield job.output
            yield job.worktree
    for job in tx.find(Job, "open", True):
        inputs = tx.get(Inputs, job.id)
        if inputs is not None:
            yield inputs.source
            yield from (part.digest for part in inputs.parts)
    for attempt in tx.find(Attempt, "unsettled", False, AttemptState.FINISHING):
        yield from (output.digest for output in attempt.outputs)


def _old(tx: Tx, before_ms: int) -> tuple[list[Module], list[Blob]]:
    """Modules and blobs that have been there for long enough."""
    modules = [one for state in KEPT for one in tx.find(Module, "state", state)]
    blobs = tx.find(Blob, "state", "stored")
    old = [one for one in modules if one.created_ms < before_ms or 0 < one.expires_ms < before_ms]
    return old, [one for one in blobs if one.created_ms < before_ms]


def _expire(step: Step, keep_ms: int) -> None:
    modules, blobs = _old(step.tx, step.wall_ms - keep_ms)
    pins = pinned(step.tx)
    for module in modules:
        if not {module.output, module.worktree} & pins:
            _turn(step, module, ModuleState.EXPIRING)
    for state in KEPT:
        for module in step.tx.find(Module, "state", state):
            pins |= {module.output, module.worktree}
    for blob in blobs:
        if blob.digest not in pins:
            step.put(msgspec.structs.replace(blob, state="expiring"))
    _follow(step)


def _collect(step: Step, digest: str) -> None:
    blob = step.need(Blob, digest)
    if blob.state == "expiring":
        step.put(msgspec.structs.replace(blob, state="COLLECTED"))
    _follow(step)


def _follow(step: Step) -> None:
    """Modules of which nothing expires any more are collected: what others have, too, stays."""
    for module in step.tx.find(Module, "state", ModuleState.EXPIRING):
        blobs = [step.tx.get(Blob, digest) for digest in (module.output, module.worktree) if digest]
        if not any(blob is not None and blob.state == "expiring" for blob in blobs):
            _turn(step, module, ModuleState.COLLECTED)


def _turn(step: Step, module: Module, state: ModuleState) -> None:
    state_step(MODULE, module.state, state)
    step.put(msgspec.structs.replace(module, state=state))


def _expiring(tx: Tx) -> list[Blob]:
    return tx.find(Blob, "state", "expiring")
