"""What another system says of its queue, as jobs and attempts of this farm, so that policy, ledger and pages need to know
nothing of it. Inside transactions.

A request is a job, a run of it an attempt on the machine whose agent took it. Both have ids made of that system's own, so
that the same look twice changes nothing. Whether something is tried again is decided there; here is only written down
that it was.
"""

import hashlib

import msgspec

from penstock.hub.ender import cost, lose, release_machine, stop, unsettled
from penstock.hub.ending import Ending, Result, conclude
from penstock.hub.planner import job_id
from penstock.hub.releaser import follow
from penstock.hub.steps import Step, take_slot
from penstock.model.change import Build, Change
from penstock.model.farm import Farm
from penstock.model.foreign import Fate, Request, Run
from penstock.model.job import Attempt, Job, JobSpec, Usage, attempt_moved
from penstock.model.ledger import Meter
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import AttemptState, JobState, Power
from penstock.model.units import DAY_MS, NEVER_MS, Size
from penstock.policy import ordering, retry
from penstock.policy.charging import foreign
from penstock.ports import Tx

LIMIT_MS = 3650 * DAY_MS
"""So long such a job may wait in our books: how long it may wait in truth says its system."""
MOST = 200
"""Characters of a name or title that are kept."""
_VERDICTS = {"passed": "passed", "failed": "failed"}


def tag_of(url: str) -> str:
    """What ids of one system's records begin with."""
    return hashlib.sha256(url.encode()).hexdigest()[:6]


def open_jobs(tx: Tx, farm: Farm, url: str) -> dict[str, Job]:
    """The open jobs of one system, by the ids that their requests have there."""
    builds = tx.find(Build, "source", url, True)
    return {request_of(job): job for build in builds for job in tx.find(Job, "build", build.id, True)}


def request_of(job: Job) -> str:
    """The id that the request of such a job has in its own system."""
    return job.name.rpartition(":")[2]


def appear(step: Step, url: str, request: Request, pools: tuple[Pool, ...]) -> Job | None:
    """A request waits: the job for it, a new one where the last one has ended. None where it is not for machines of ours."""
    platform = platform_of(request, pools)
    if not platform:
        return None
    build, number = _place(step, url, request)
    if build is not None and number <= 0:
        return step.need(Job, job_id(build.id, -number))
    made = _job(step, request, platform, tuple(pool for pool in pools if platform in pool.platforms))
    build = build or _new_build(step, url, request, made)
    made = msgspec.structs.replace(made, id=job_id(build.id, number), build=build.id)
    step.tx.insert(made)
    step.tell_job(made)
    return made


def begin(step: Step, url: str, run: Run, machine_id: str, pools: tuple[Pool, ...]) -> Attempt | None:
    """A run has begun on a machine: its attempt, as it is by then. None where the machine has no room for it in the books."""
    known = step.tx.get(Attempt, attempt_id(url, run))
    if known is not None:
        return known
    job = appear(step, url, run.request, pools)
    if job is None:
        return None
    older = unsettled(step, job)
    if older is not None:
        give_back(step, older, "its system gave it to another machine")
        job = step.need(Job, job.id)
    machine = step.need(Machine, machine_id)
    free = [slot for slot in range(machine.slots) if slot not in machine.busy]
    if not free or machine.power not in (Power.UP, Power.DRAINING):
        return None
    if job.state == JobState.HELD:
        job = step.move(job, JobState.QUEUED, "its system began it")
    attempt = _attempt(step, attempt_id(url, run), job, machine, run, free[0])
    step.tx.insert(attempt)
    step.put(take_slot(machine, free[0], attempt))
    job = step.move(
        job, JobState.OFFERED, f"taken by {run.agent}", attempt, epoch=job.epoch + 1, attempts=attempt.n
    )
    step.move(job, JobState.RUNNING, f"runs on {run.agent}", attempt)
    return attempt


def end(step: Step, url: str, run: Run) -> None:
    """A run has ended: its attempt ends alike, unless it has already."""
    attempt = step.tx.get(Attempt, attempt_id(url, run))
    if attempt is None or attempt.settled:
        return
    cause, attempt = run.cause[:MOST], _recorded(step, attempt, run)
    if run.result in _VERDICTS:
        _judge(step, attempt, run)
    elif run.result == "cancelled":
        step.put(attempt)
        stop(step, step.need(Job, attempt.job), JobState.CANCELLED, cause or "cancelled by its system")
    else:
        give_back(step, attempt, cause or "its system lost it")
        if run.result == "error":
            job = step.need(Job, attempt.job)
            follow(step, [step.move(job, JobState.ERROR, cause or "its system could not run it")])


def give_back(step: Step, attempt: Attempt, why: str) -> None:
    """An attempt came to nothing, and its job waits again: its system tries it again by itself."""
    lose(step, attempt, AttemptState.LOST, retry.Cause(text=why, counts=False))


def close(step: Step, name: str, fate: Fate) -> None:
    """A request is in no list any more, and none of its runs was on a machine of ours."""
    job = step.need(Job, name)
    if not job.open:
        return
    if fate.state == "merged":
        stop(step, job, JobState.SUPERSEDED, "its system merged it into another request")
    elif fate.state == "gone":
        stop(step, job, JobState.CANCELLED, "its system knows it no more")
    elif fate.state == "ended":
        elsewhere = fate.result not in ("", "cancelled")
        why = "it ran on a machine that is not of this farm" if elsewhere else "cancelled by its system"
        stop(step, job, JobState.CANCELLED, why)


def elsewhere(step: Step, name: str, agent: str) -> None:
    """A request was taken by an agent that is no machine of ours."""
    job = step.need(Job, name)
    if job.open:
        stop(step, job, JobState.CANCELLED, f"taken by {agent[:MOST]}, which is no machine of this farm")


def attempt_id(url: str, run: Run) -> str:
    """The id of the attempt that a run is."""
    return f"{tag_of(url)}-run-{run.id}"


def platform_of(request: Request, pools: tuple[Pool, ...]) -> str:
    """What a request asks for, by the first pool that knows its builder; "" where none does."""
    found = (pool.serves.platform_of(request.builder, request.labels) for pool in pools if pool.serves)
    return next((platform for platform in found if platform), "")


def _place(step: Step, url: str, request: Request) -> tuple[Build | None, int]:
    """The build that a request's job belongs in, None for a new one, and its number there; that of the job that is open
    already, negative."""
    build = step.tx.get(Build, _group_id(url, request))
    if build is None:
        return None, 1
    jobs = step.tx.find(Job, "build", build.id)
    mine = [job for job in jobs if request_of(job) == request.id]
    if build.open and (not mine or mine[0].open):
        return build, -_number(mine[0]) if mine else len(jobs) + 1
    tries = 1
    while (alone := step.tx.get(Build, f"{_alone_id(url, request)}-{tries}")) is not None:
        if alone.open and step.need(Job, job_id(alone.id, 1)).open:
            return alone, -1
        tries += 1
    return None, 1


def _group_id(url: str, request: Request) -> str:
    """The build of all that was asked for together."""
    return f"{tag_of(url)}-of-{request.group}" if request.group else f"{_alone_id(url, request)}-0"


def _alone_id(url: str, request: Request) -> str:
    """What builds begin with that are of one request, as its group has its verdict already."""
    return f"{tag_of(url)}-alone-{request.id}"


def _number(job: Job) -> int:
    return int(job.id.rpartition("-")[2])


def _new_build(step: Step, url: str, request: Request, job: Job) -> Build:
    """The build of the request's group; where there is one already, one of the request's own."""
    name, tries = _group_id(url, request), 1
    while step.tx.get(Build, name) is not None:
        name, tries = f"{_alone_id(url, request)}-{tries}", tries + 1
    change = Change(
        id=f"{url}#{name}",
        source=url,
        ref=request.title[:MOST],
        who=job.spec.agent,
        trust=job.spec.trust,
        klass=job.spec.klass,
        project=job.project,
        automatic=True,
        created_ms=job.submitted_ms,
    )
    step.tx.insert(change)
    build = Build(id=name, change=change.id, source=url, created_ms=step.wall_ms)
    step.tx.insert(build)
    step.tell_build(build)
    return build


def _job(step: Step, request: Request, platform: str, pools: tuple[Pool, ...]) -> Job:
    """A job that waits since its request does. Its id and build are still to be given."""
    first = pools[0]
    klass = first.classes[0] if first.classes else "change"
    waited_ms = max(0, min(step.wall_ms - request.since_ms, step.now_ms)) if request.since_ms else 0
    since_ms = step.now_ms - waited_ms
    rank = ordering.rank_of(ordering.level_of(klass, 0), ordering.turn_s(since_ms, DAY_MS, 0))
    spec = JobSpec(
        kind="build",
        module=request.builder[:MOST],
        platform=platform,
        commands=(),
        reuse="never",
        size=Size(1, 0),
        trust="untrusted",
        klass=klass,
        agent=first.agent,
    )
    return Job(
        id="",
        build="",
        name=f"{spec.module}:{request.id}",
        spec=spec,
        state=JobState.QUEUED,
        reason="waits in its own system's queue",
        rank=rank,
        own_rank=rank,
        submitted_ms=step.wall_ms - waited_ms,
        ready_ms=step.wall_ms - waited_ms,
        deadline_ms=since_ms + LIMIT_MS,
        queue_limit_ms=LIMIT_MS,
        automatic=True,
        project=first.projects[0] if first.projects else "",
        pools=tuple(pool.name for pool in pools),
    )


def _attempt(step: Step, id_: str, job: Job, machine: Machine, run: Run, slot: int) -> Attempt:
    """It is charged from when it was seen, until its system says how long it took."""
    return Attempt(
        id=id_,
        job=job.id,
        build=job.build,
        n=job.attempts + 1,
        fence=f"{step.farm.incarnation}:{job.epoch + 1}",
        machine=machine.id,
        slot=slot,
        session=machine.session,
        pool=machine.pool,
        project=job.project,
        state=AttemptState.RUNNING,
        why=f"taken by {run.agent}",
        size=job.spec.size,
        price_per_hour_micros=machine.price_per_hour_micros,
        offered_ms=step.wall_ms,
        started_ms=min(run.started_ms, step.wall_ms),
        granted_ms=step.now_ms,
        right_until_ms=NEVER_MS,
    )


def _recorded(step: Step, attempt: Attempt, run: Run) -> Attempt:
    """The attempt with its end as its own system has it (not written): whenever that is seen, it costs no more or less."""
    if not attempt.live:
        return attempt
    floor_ms = foreign.floor_ms(attempt.offered_ms, _span_ms(step, attempt), step.wall_ms)
    had_ms = foreign.ran_ms(run.started_ms, run.ended_ms, step.wall_ms, floor_ms)
    return msgspec.structs.replace(
        attempt,
        granted_ms=step.now_ms - had_ms,
        ended_ms=max(attempt.started_ms, min(step.wall_ms, run.ended_ms)),
        usage=Usage(wall_ms=had_ms, held_ms=had_ms, measured_by=attempt.why),
    )


def _span_ms(step: Step, attempt: Attempt) -> int | None:
    """When the span of its machine began that is open now; the books may be a moment behind."""
    machine, meter = step.need(Machine, attempt.machine), step.tx.get(Meter, attempt.machine)
    if meter is None:
        return None
    turned_ms = step.wall_ms - (step.now_ms - machine.since_ms)
    return meter.since_ms if meter.power == machine.power else max(meter.since_ms, turned_ms)


def _judge(step: Step, attempt: Attempt, run: Run) -> None:
    """A verdict: as an agent of ours would have said it, without anything to publish."""
    machine = step.need(Machine, attempt.machine)
    ended = attempt_moved(
        attempt, AttemptState.FINISHING, run.cause[:MOST], **cost(step, attempt, machine.slots)
    )
    release_machine(step, attempt, retry.praised(machine), machine)
    step.put(ended)
    result: Result = "passed" if run.result == "passed" else "failed"
    conclude(step, step.need(Attempt, attempt.id), Ending(result=result, cause=run.cause[:MOST]))
