"""A plan becomes a build: change, build, jobs and edges in one transaction, with all that the archive has already."""

from collections.abc import Callable

import msgspec

from penstock.hub.context import Hub
from penstock.hub.ender import give_up
from penstock.hub.releaser import follow, make_ready
from penstock.hub.steps import Step, change
from penstock.model.change import Build, Change
from penstock.model.job import Edge, Job
from penstock.model.plan import Plan, PlannedJob
from penstock.model.states import BUILD, BuildState, JobState
from penstock.model.states import step as check
from penstock.policy import ordering
from penstock.ports import Tx


def submit(
    hub: Hub,
    asked: Change,
    plan: Plan,
    supersede: bool = False,
    first: Callable[[Tx], object] = lambda tx: None,
    project: str | None = None,
) -> Build:
    """Store a change and the build that answers it. Once per change id: a repeat gives the build that is there.

    What the plan says about reuse is decided again here, on the archive of this moment. With `supersede`
    unfinished builds of the same source give way; jobs of theirs that the new build waits for go on.
    `project` is the one whose jobs they are, None = that of the change, which for the jobs is only a label else.
    `first` is called in the same transaction before anything is written: what it raises forbids it.
    Raises ValueError for a plan that only shows a graph, or that names jobs it does not have.
    """
    _check(plan)
    build_id = hub.entropy.token(6)
    whose = asked if project is None else msgspec.structs.replace(asked, project=project)

    def write(step: Step) -> Build:
        first(step.tx)
        if step.tx.get(Change, asked.id) is not None:
            return _build_of(step, asked)
        created_ms = asked.created_ms or step.wall_ms
        step.tx.insert(msgspec.structs.replace(asked, created_ms=created_ms))
        build = Build(id=build_id, change=asked.id, source=asked.source, created_ms=step.wall_ms)
        step.tx.insert(build)
        step.tell_build(build)
        for job in _insert_jobs(step, whose, plan, build_id):
            _begin(step, job)
        if supersede:
            _supersede_others(step, build)
        return build

    return change(hub, write)


def job_id(build_id: str, number: int) -> str:
    """The id of the job that stands at this place, from 1, in the plan of a build: lists are paged by it."""
    return f"{build_id}-{number:04d}"


def close_early(step: Step, build: Build, state: BuildState, reason: str) -> list[Job]:
    """Give up an open build: its jobs end alike, except those that others wait for. Returns the jobs that ended."""
    check(BUILD, build.state, state)
    job_state = JobState.SUPERSEDED if state == BuildState.SUPERSEDED else JobState.CANCELLED
    ended = give_up(step, step.tx.find(Job, "build", build.id, True), job_state, reason)
    closed = msgspec.structs.replace(build, state=state, reason=reason, open=False, ended_ms=step.wall_ms)
    step.tell_build(step.put(closed))
    return ended


def _check(plan: Plan) -> None:
    known = {job.id for job in plan.jobs}
    for job in plan.jobs:
        if job.spec is None:
            raise ValueError(f"{job.id}: this plan shows a graph only, it cannot be run")
        if job.spec.secrets and job.spec.trust != "trusted":
            raise ValueError(f"{job.id} asks for secrets and is not trusted")
        if missing := [need for need in job.needs if need not in known]:
            raise ValueError(f"{job.id} needs {missing[0]}, which the plan does not have")


def _build_of(step: Step, asked: Change) -> Build:
    for build in step.tx.find(Build, "source", asked.source):
        if build.change == asked.id:
            return build
    raise ValueError(f"change {asked.id} was stored with another source")


def _insert_jobs(step: Step, asked: Change, plan: Plan, build_id: str) -> list[Job]:
    """Insert all jobs, blocked as yet, and their edges. Returns the jobs in the order of the plan."""
    ids = {job.id: job_id(build_id, number) for number, job in enumerate(plan.jobs, 1)}
    by_id = {job.id: job for job in plan.jobs}
    needed = {job.id: _parents(job, by_id) for job in plan.jobs}
    credits_s = ordering.credits_s(needed)
    jobs = []
    for planned in plan.jobs:
        parents = needed[planned.id]
        job = _job(planned, parents, by_id, ids)
        rank = _rank(asked, job, step.now_ms, credits_s[planned.id])
        job = msgspec.structs.replace(
            job,
            build=build_id,
            rank=rank,
            own_rank=rank,
            automatic=asked.automatic,
            project=asked.project,
            pools=asked.pools,
            queue_limit_ms=asked.queue_limit_ms,
            submitted_ms=step.wall_ms,
        )
        step.tx.insert(job)
        for parent in parents:
            step.tx.insert(Edge(ids[parent], job.id))
        jobs.append(job)
    return jobs


def _rank(asked: Change, job: Job, now_ms: int, credit_s: int) -> int:
    level = ordering.level_of(job.spec.klass, asked.priority)
    return ordering.rank_of(level, ordering.turn_s(now_ms, asked.queue_limit_ms, credit_s))


def _job(planned: PlannedJob, parents: list[str], plan: dict[str, PlannedJob], ids: dict[str, str]) -> Job:
    assert planned.spec is not None
    source = _source_of(planned, parents, plan)
    return Job(
        id=ids[planned.id],
        build="",
        name=planned.id,
        spec=planned.spec,
        state=JobState.BLOCKED,
        reason="its needs are not ready",
        needs=tuple(ids[parent] for parent in parents if plan[parent].kind == "build"),
        source_job=ids[source] if source else "",
        unmet=len(parents),
    )


def _parents(planned: PlannedJob, plan: dict[str, PlannedJob]) -> list[str]:
    """What must have passed before; the fetch whose result is its working folder always among them."""
    parents = list(dict.fromkeys(planned.needs))
    fetched = planned.spec is not None and planned.spec.source_from == "fetch"
    if fetched and not any(_starts(planned, plan[parent], "fetch") for parent in parents):
        parents += [job.id for job in plan.values() if _starts(planned, job, "fetch")]
    return parents


def _source_of(planned: PlannedJob, parents: list[str], plan: dict[str, PlannedJob]) -> str:
    """The parent that the working folder comes from; "" for the source itself."""
    assert planned.spec is not None
    kind = planned.spec.source_from
    if kind == "source":
        return ""
    for parent in parents:
        if _starts(planned, plan[parent], kind):
            return parent
    raise ValueError(f"{planned.id} starts from a {kind} job that the plan does not have")


def _starts(planned: PlannedJob, parent: PlannedJob, kind: str) -> bool:
    return (parent.kind, parent.module, parent.platform) == (kind, planned.module, planned.platform)


def _begin(step: Step, planned: Job) -> None:
    """Bring a job that was just inserted to where it stands, unless something before it did."""
    job = step.need(Job, planned.id)
    if job.state != JobState.BLOCKED or job.key:
        return
    if job.unmet:
        step.tell_job(job)
        return
    job = make_ready(step, job)
    if not job.open:
        follow(step, [job])


def _supersede_others(step: Step, build: Build) -> None:
    for older in step.tx.find(Build, "source", build.source, True):
        if older.id != build.id:
            close_early(step, older, BuildState.SUPERSEDED, f"superseded by {build.id}")
