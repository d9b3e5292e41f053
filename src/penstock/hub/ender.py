"""How attempts and jobs end otherwise than by a verdict: lost, stopped, given up. Inside a transaction."""

from collections.abc import Iterable, Sequence

import msgspec

from penstock.hub.failing import together
from penstock.hub.releaser import follow, give_place, relax, unwanted
from penstock.hub.steps import Step, end_attempt, free_slot
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, JobState
from penstock.model.units import NEVER_MS
from penstock.policy import charging, retry

_AT_WORK = (JobState.OFFERED, JobState.RUNNING)


def lose(step: Step, attempt: Attempt, state: AttemptState, cause: retry.Cause) -> None:
    """An attempt ends by the farm's fault: its job is tried again, or ends as ERROR."""
    job = step.need(Job, attempt.job)
    machine = step.need(Machine, attempt.machine)
    alone = not cause.blames or not together(step, machine)
    then = retry.after(job, attempt, cause if alone else retry.POOL_FAILED, step.now_ms)
    end_attempt(step, attempt, state, cause.text, **cost(step, attempt, machine.slots))
    release_machine(step, attempt, retry.blamed(machine, job.id, cause, step.now_ms, alone), machine)
    if isinstance(then, retry.Over):
        follow(step, [step.move(job, JobState.ERROR, then.reason, attempt)])
        return
    deadline_ms = job.deadline_ms if job.state == JobState.OFFERED else step.now_ms + job.queue_limit_ms
    step.move(
        job,
        JobState.QUEUED,
        then.reason,
        attempt,
        losses=then.losses,
        lost_on=then.lost_on,
        not_before_ms=then.not_before_ms,
        steady=then.steady,
        deadline_ms=deadline_ms,
    )


def cost(step: Step, attempt: Attempt, slots: int, measured_ms: int = 0) -> dict[str, int]:
    """The cost of an attempt whose right ends now, as a change of its record; none when it ended before."""
    if not attempt.live:
        return {}
    held_ms = charging.held_ms(attempt, step.now_ms, measured_ms)
    return {"cost_micros": charging.cost_micros(attempt, slots, held_ms)}


def release_machine(step: Step, attempt: Attempt, machine: Machine, before: Machine) -> None:
    """Write a machine after an attempt on it: without what a live attempt held. People hear of a new health."""
    after = free_slot(machine, attempt) if attempt.live else machine
    if after == before:
        return
    after = step.put(after)
    if after.health != before.health:
        step.tell_machine(after)


def stop(step: Step, job: Job, state: JobState, reason: str, **changes: object) -> Job:
    """Move a job where nothing of it runs, and end its attempt if there is one: its agent is told to stop."""
    attempt = unsettled(step, job)
    if attempt is not None:
        machine = step.need(Machine, attempt.machine)
        end_attempt(step, attempt, AttemptState.CANCELLED, reason, **cost(step, attempt, machine.slots))
        release_machine(step, attempt, machine, machine)
    return step.move(job, state, reason, attempt, **changes)


def keep_back(step: Step, job: Job, reason: str) -> None:
    """Hold an open job until a person releases it; who waits for its key makes it instead."""
    if job.waits_on:
        waited_on = job.waits_on
        stop(step, job, JobState.HELD, reason, waits_on="")
        cancel_unwanted(step, [waited_on])
    else:
        give_place(step, stop(step, job, JobState.HELD, reason, deadline_ms=NEVER_MS))


def unsettled(step: Step, job: Job) -> Attempt | None:
    """The attempt of a job that has not ended, None when there is none."""
    if job.state not in _AT_WORK:
        return None
    newest = step.tx.find(Attempt, "job", job.id, job.attempts)
    return newest[0] if newest and not newest[0].settled else None


def give_up(step: Step, jobs: Sequence[Job], state: JobState, reason: str) -> list[Job]:
    """End open jobs that are not wanted any more, and what follows. One that runs, and that others wait for, lives on
    for them; of one that only waits to run, a waiter takes the place: what it then does is told as its own.

    Returns those that ended."""
    leaving = {job.id for job in jobs}
    ended, producers = [], []
    for job in jobs:
        if job.state in _AT_WORK and any(
            waiter.id not in leaving for waiter in step.tx.find(Job, "waits_on", job.id)
        ):
            _disown(step, job, reason)
            continue
        producers.append(job.waits_on)
        ended.append(stop(step, job, state, reason))
    follow(step, ended)
    return ended + cancel_unwanted(step, producers)


def _disown(step: Step, job: Job, reason: str) -> None:
    if job.wanted:
        text = f"{reason}; it goes on for those that wait for its key"
        step.tell_job(step.put(msgspec.structs.replace(job, wanted=False, reason=text)))


def cancel_unwanted(step: Step, producers: Iterable[str]) -> list[Job]:
    """Cancel producers that nobody waits for any more; the others go no earlier than those that still wait."""
    left = [producer for producer in dict.fromkeys(producers) if producer]
    for producer in left:
        relax(step, producer)
    found = [unwanted(step, producer) for producer in left]
    ended = [
        stop(step, job, JobState.CANCELLED, "nobody waits for it any more")
        for job in found
        if job is not None
    ]
    follow(step, ended)
    return ended
