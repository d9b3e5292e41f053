"""What people may do to builds, jobs and machines. Each is one transaction; each says whether it changed anything."""

from collections.abc import Iterable

import msgspec

from penstock.hub import releaser
from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.ender import give_up, keep_back
from penstock.hub.planner import close_early, submit
from penstock.hub.steps import Step, change, look
from penstock.model import graph
from penstock.model.change import Build, Change
from penstock.model.farm import Event, Farm
from penstock.model.job import Edge, Job
from penstock.model.machine import Machine
from penstock.model.plan import Plan, PlannedJob
from penstock.model.pool_foreign import OURS
from penstock.model.states import HEALTH, POWER, BuildState, Health, JobState, Power
from penstock.model.states import step as check
from penstock.ports import Tx


def cancel(hub: Hub, name: str, reason: str = "cancelled by a person") -> bool:
    """Cancel a build or a job, by id. What others wait for goes on for them. False when it has ended already.

    Raises NotFound; Refused for what another system runs.
    """

    def act(step: Step) -> bool:
        build = step.tx.get(Build, name)
        if build is not None:
            _ours(step.tx.find(Job, "build", name, limit=1))
            if build.open:
                close_early(step, build, BuildState.CANCELLED, reason)
                step.woken.add(f"build:{build.id}")
            return build.open
        job = step.tx.get(Job, name)
        if job is None:
            raise NotFound("build or job", name)
        _ours([job])
        if job.open and job.wanted:
            give_up(step, [job], JobState.CANCELLED, reason)
        return job.open and job.wanted

    return change(hub, act)


def hold(hub: Hub, job_id: str, reason: str) -> bool:
    """Keep a job from starting until it is released; who waits for its key makes it instead. False when it is held.

    Raises NotFound; Refused for a job that runs or has ended.
    """

    def act(step: Step) -> bool:
        job = step.need(Job, job_id)
        _ours([job])
        if job.state == JobState.HELD:
            return False
        if job.state not in (JobState.BLOCKED, JobState.QUEUED, JobState.OFFERED):
            raise Refused(f"job {job_id} is {job.state}: only what has not started can be held", stop=False)
        if not job.wanted:
            raise Refused(f"job {job_id} was given up by its build and goes on for others only", stop=False)
        keep_back(step, job, reason)
        return True

    return change(hub, act)


def release(hub: Hub, job_id: str, reason: str = "released by a person") -> bool:
    """Let a held job go on from what is true now. False when it is not held. Raises NotFound."""

    def act(step: Step) -> bool:
        job = step.need(Job, job_id)
        if job.state != JobState.HELD:
            return False
        job = step.move(job, JobState.BLOCKED, reason)
        if job.unmet == 0:
            job = releaser.make_ready(step, job)
        if not job.open:
            releaser.follow(step, [job])
        return True

    return change(hub, act)


def quarantine(hub: Hub, machine_id: str, reason: str) -> bool:
    """Give a machine nothing more until a person says otherwise; what runs there goes on. Raises NotFound."""
    return _set_health(hub, machine_id, Health.QUARANTINED, reason)


def unquarantine(hub: Hub, machine_id: str, reason: str = "trusted again by a person") -> bool:
    """Trust a machine again: its record is forgotten. False when it was not quarantined. Raises NotFound."""

    def act(step: Step) -> bool:
        machine = step.need(Machine, machine_id)
        if machine.health not in (Health.QUARANTINED, Health.MAINTENANCE):
            return False
        check(HEALTH, machine.health, Health.UNKNOWN)
        clean = msgspec.structs.replace(
            machine, health=Health.UNKNOWN, health_reason="", streak=0, blamed=(), failed_ms=0
        )
        step.tell_machine(step.put(clean), reason)
        step.woken.add("farm")
        return True

    return change(hub, act)


def maintain(hub: Hub, machine_id: str, reason: str) -> bool:
    """Take a machine out for maintenance, as `quarantine`; `unquarantine` ends both. Raises NotFound."""
    return _set_health(hub, machine_id, Health.MAINTENANCE, reason)


def drain(hub: Hub, machine_id: str, reason: str = "drained by a person") -> bool:
    """Let a machine end what it runs and take nothing more. False when it is not up. Raises NotFound."""
    return _set_power(hub, machine_id, (Power.UP, Power.DRAINING), reason)


def undrain(hub: Hub, machine_id: str, reason: str = "drain taken back by a person") -> bool:
    """Take a drain back. False when it does not drain. Raises NotFound."""
    return _set_power(hub, machine_id, (Power.DRAINING, Power.UP), reason)


def repeat(hub: Hub, job_id: str, who: str = "") -> Build:
    """A person's retry: a new build of this job with all that it needs and all that needs it. Nothing that has
    passed runs again; what failed does, remembered or not. Raises NotFound."""
    old, plan, project = look(hub, lambda tx, farm: _plan_again(tx, farm, job_id))
    asked = msgspec.structs.replace(
        old,
        id=f"{old.id}-{hub.entropy.token(4)}",
        who=who or old.who,
        automatic=False,
        created_ms=0,
        version=0,
    )
    return submit(hub, asked, plan, project=project)


def _plan_again(tx: Tx, farm: Farm, job_id: str) -> tuple[Change, Plan, str]:
    """The change, what of it is planned again, and the project whose jobs they are."""
    job = tx.get(Job, job_id)
    build = tx.get(Build, job.build) if job else None
    old = tx.get(Change, build.change) if build else None
    if job is None or build is None or old is None:
        raise NotFound("job", job_id)
    _ours([job])
    jobs = {one.id: one for one in sorted(tx.find(Job, "build", build.id), key=lambda one: one.id)}
    needs = {one: [edge.parent for edge in tx.find(Edge, "child", one)] for one in jobs}
    behind = graph.reach([job_id], graph.dependents(needs))
    chosen = graph.reach(behind, needs)
    again = Plan(tuple(_planned(jobs[one], needs[one], jobs) for one in jobs if one in chosen))
    return old, again, job.project


def _ours(jobs: Iterable[Job]) -> None:
    """Raise Refused for jobs of another system: here they are only watched."""
    for job in jobs:
        if job.spec.agent != OURS:
            raise Refused(f"{job.name} is run by another system ({job.spec.agent}): do it there", stop=False)


def _planned(job: Job, parents: list[str], jobs: dict[str, Job]) -> PlannedJob:
    spec = job.spec
    needs = tuple(jobs[parent].name for parent in parents)
    return PlannedJob(
        id=job.name,
        kind=spec.kind,
        module=spec.module,
        platform=spec.platform,
        needs=needs,
        size=spec.size,
        spec=spec,
    )


def _set_health(hub: Hub, machine_id: str, health: Health, reason: str) -> bool:
    def act(step: Step) -> bool:
        machine = step.need(Machine, machine_id)
        if machine.health == health:
            return False
        if not HEALTH.allows(machine.health, health):
            raise Refused(
                f"machine {machine.name} is {machine.health}: it cannot become {health}", stop=False
            )
        step.tell_machine(step.put(msgspec.structs.replace(machine, health=health, health_reason=reason)))
        return True

    return change(hub, act)


def _set_power(hub: Hub, machine_id: str, powers: tuple[Power, Power], reason: str) -> bool:
    before, after = powers

    def act(step: Step) -> bool:
        machine = step.need(Machine, machine_id)
        if machine.power != before:
            return False
        check(POWER, before, after)
        # Why it drained before, or was made, says nothing of now; a wish to stop it is over, too.
        turned = {"power": after, "power_reason": reason, "since_ms": step.now_ms}
        step.put(msgspec.structs.replace(machine, **turned))
        step.tell(Event(kind="machine", machine=machine.id, state=after, reason=reason))
        step.woken |= {"farm", f"machine:{machine.id}"}
        return True

    return change(hub, act)
