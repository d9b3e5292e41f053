"""What follows from a job: when its parents have ended well it gets its key and asks the archive; when it ends,
its children and those that wait for its key move on. All in the transaction that ended it (I15), and again by a
level-triggered pass."""

from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec

from penstock.hub import archive
from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead_all, look
from penstock.model.artifact import Blob, Inputs, Part
from penstock.model.job import Edge, Job
from penstock.model.states import JobState
from penstock.policy.ordering import shared_rank, successor
from penstock.policy.reuse import Answer, key_of

GOOD_ENDS = (JobState.PASSED, JobState.REUSED)


def make_ready(step: Step, job: Job) -> Job:
    """A blocked job without unmet parents (read or changed in this transaction, not yet written) gets its key and
    what the archive has for it: reused, failed, waiting for its producer, or queued. Written; its end, if it has
    ended, is still to be followed up."""
    inputs = _inputs(step, job)
    prefix = [(part.module, part.platform, part.digest) for part in inputs.parts]
    job = msgspec.structs.replace(job, key=key_of(job.spec, prefix, _source_digest(step, job)))
    if inputs.parts or inputs.source:
        _write_inputs(step, inputs)
    return admit(step, job)


def admit(step: Step, job: Job) -> Job:
    """A blocked job with its key goes where the archive says: reused, failed, waiting, or queued. Written."""
    if not job.ready_ms:
        job = msgspec.structs.replace(job, ready_ms=step.wall_ms)
    said = archive.ask(step, job)
    if said.module is not None:
        found = said.module
        return step.move(job, JobState.REUSED, said.reason, output=found.output, worktree=found.worktree)
    if said.failure is not None:
        return step.move(job, JobState.FAILED, said.reason, culprit=said.failure.job)
    if said.producer is not None:
        return _wait(step, job, said.producer.producer, said.reason)
    return enqueue(step, job, said)


def enqueue(step: Step, job: Job, said: Answer) -> Job:
    """Queue a blocked job; from now it is the one that makes its key."""
    archive.claim(step, job)
    deadline_ms = step.now_ms + job.queue_limit_ms
    return step.move(job, JobState.QUEUED, said.reason, waits_on="", deadline_ms=deadline_ms)


def follow(step: Step, ended: Iterable[Job]) -> None:
    """Everything that follows from jobs that have ended (already written), and from what ends by that."""
    waiting = deque(ended)
    while waiting:
        job = waiting.popleft()
        waiting.extend(_waiters_move(step, job))
        waiting.extend(_children_move(step, job))


def give_place(step: Step, producer: Job) -> None:
    """A producer makes its key no more, without a verdict: one of those that wait takes over, the others wait
    for that one. Without any the claim goes."""
    waiters = step.tx.find(Job, "waits_on", producer.id)
    heir = successor(waiters)
    if heir is None:
        archive.abandon(step, producer)
        return
    rank = shared_rank(heir, waiters)
    reason = f"takes over from {producer.id}, which made the same key"
    heir = enqueue(step, msgspec.structs.replace(heir, rank=rank), Answer(reason=reason))
    for waiter in waiters:
        if waiter.id != heir.id:
            _wait(step, waiter, heir.id, f"{heir.id} makes the same key now")


def unwanted(step: Step, producer_id: str) -> Job | None:
    """This producer, if its own build gave it up and nobody waits for it any more: it is to be cancelled."""
    producer = step.tx.get(Job, producer_id) if producer_id else None
    if producer is None or producer.wanted or not producer.open:
        return None
    return None if step.tx.find(Job, "waits_on", producer_id, limit=1) else producer


def relax(step: Step, producer_id: str) -> None:
    """A producer that fewer wait for now goes as early as the first of those that are left, or as itself."""
    producer = step.tx.get(Job, producer_id)
    if producer is None or not producer.open:
        return
    rank = shared_rank(producer, step.tx.find(Job, "waits_on", producer_id))
    if rank != producer.rank:
        step.put(msgspec.structs.replace(producer, rank=rank))


def _wait(step: Step, job: Job, producer_id: str, reason: str) -> Job:
    """Let a blocked job wait for the one that makes its key, which goes at least as early as it would."""
    job = step.put(msgspec.structs.replace(job, waits_on=producer_id, reason=reason))
    step.tell_job(job)
    producer = step.need(Job, producer_id)
    if job.rank < producer.rank:
        step.put(msgspec.structs.replace(producer, rank=job.rank))
    return job


def _waiters_move(step: Step, job: Job) -> list[Job]:
    """Those that waited for the key of an ended job: same key, same end; or one of them makes it."""
    if not job.key or job.state in (JobState.REUSED, JobState.BLOCKED_DEAD):
        return []  # never a producer
    if job.state == JobState.PASSED:
        text, ends = f"same key as {job.id}", JobState.REUSED
        changes: dict[str, Any] = {"output": job.output, "worktree": job.worktree}
    elif job.state == JobState.FAILED and archive.remembered(step, job):
        text, ends = f"same key as {job.id}, which failed: {job.reason}", JobState.FAILED
        changes = {"culprit": job.id}
        archive.abandon(step, job)
    else:
        give_place(step, job)
        return []
    waiters = step.tx.find(Job, "waits_on", job.id)
    return [step.move(waiter, ends, text, **changes) for waiter in waiters]


def _children_move(step: Step, job: Job) -> list[Job]:
    """Children of an ended job: one parent less to wait for, or blocked for good. Returns those that ended."""
    moved = []
    for edge in step.tx.find(Edge, "key", job.id):
        child = step.tx.get(Job, edge.child) if not edge.met else None
        if child is None or not child.open:
            continue
        if job.state in GOOD_ENDS:
            child = _one_less(step, edge, child)
        else:
            culprit = job.culprit if job.state == JobState.BLOCKED_DEAD else job.id
            reason = f"needs {job.name}, which ended as {job.state}"
            child = step.move(child, JobState.BLOCKED_DEAD, reason, culprit=culprit)
        if not child.open:
            moved.append(child)
    return moved


def _one_less(step: Step, edge: Edge, child: Job) -> Job:
    step.put(msgspec.structs.replace(edge, met=True))
    child = msgspec.structs.replace(child, unmet=child.unmet - 1)
    if child.unmet == 0 and child.state == JobState.BLOCKED:
        return make_ready(step, child)
    return step.put(child)


def _inputs(step: Step, job: Job) -> Inputs:
    """Everything that the job's $PREFIX will hold: the trees of its needs and all that those were built with."""
    parts: set[Part] = set()
    for parent_id in job.needs:
        parent = step.need(Job, parent_id)
        older = step.tx.get(Inputs, parent_id)
        parts.update(older.parts if older else ())
        if parent.output:
            blob = step.tx.get(Blob, parent.output)
            size_bytes = blob.size_bytes if blob else 0
            parts.add(Part(parent.spec.module, parent.spec.platform, parent.output, size_bytes))
    source = step.need(Job, job.source_job) if job.source_job else None
    blob_id = "" if source is None else source.worktree if job.spec.source_from == "build" else source.output
    return Inputs(job=job.id, source=blob_id, parts=tuple(sorted(parts)))


def _write_inputs(step: Step, inputs: Inputs) -> None:
    old = step.tx.get(Inputs, inputs.job)
    if old is None:
        step.tx.insert(inputs)
    elif (old.parts, old.source) != (inputs.parts, inputs.source):
        step.put(msgspec.structs.replace(inputs, version=old.version))


def _source_digest(step: Step, job: Job) -> str:
    """What the source adds to the key: the tree's digest, what a fetch left, or the build's key."""
    if job.source_job:
        source = step.need(Job, job.source_job)
        return source.key if job.spec.source_from == "build" else source.output
    return job.spec.source.digest if job.spec.source else ""


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Derive again what transactions should have done (I15): count unmet parents, find ended producers."""
    blocked = look(hub, lambda tx, farm: tx.find(Job, "state", JobState.BLOCKED))
    return {"repaired": sum(lead_all(hub, [partial(_repair, job_id=job.id) for job in blocked]))}


def _repair(step: Step, job_id: str) -> int:
    """Bring one blocked job to what its parents and its producer say. Returns 1 when it was not."""
    job = step.tx.get(Job, job_id)
    if job is None or job.state != JobState.BLOCKED:
        return 0
    for edge in step.tx.find(Edge, "child", job.id):
        parent = step.need(Job, edge.parent)
        if not parent.open and not edge.met:
            follow(step, [parent])
            return 1
    if job.waits_on:
        producer = step.need(Job, job.waits_on)
        if producer.open:
            return 0
        follow(step, _waiters_move(step, producer))
        return 1
    if job.unmet == 0:
        follow(step, [ended for ended in [make_ready(step, job)] if not ended.open])
        return 1
    return _recount(step, job)


def _recount(step: Step, job: Job) -> int:
    unmet = sum(not edge.met for edge in step.tx.find(Edge, "child", job.id))
    if unmet == job.unmet:
        return 0
    job = msgspec.structs.replace(job, unmet=unmet)
    if unmet:
        step.put(job)
    else:
        follow(step, [ended for ended in [make_ready(step, job)] if not ended.open])
    return 1
