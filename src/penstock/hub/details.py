"""What pages say of one build, one job, one machine, and of all machines."""

from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.hub import views
from penstock.hub.context import Hub, NotFound
from penstock.hub.overview import bar
from penstock.hub.steps import look
from penstock.model.change import Build, Change
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.states import JobState
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import builds as report

Document = dict[str, Any]
BEFORE_SHOWN = 20


class BuildDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A build with its change, its jobs in the order of the plan, and the attempts of each."""

    build: Build
    change: Change | None
    jobs: tuple[Job, ...]
    attempts: dict[str, list[Attempt]]

    def first_failure(self) -> Job | None:
        """The job that failed before the others; one that was blocked by it is no failure."""
        failed = [
            job for job in self.jobs if job.state in (JobState.FAILED, JobState.ERROR, JobState.EXPIRED)
        ]
        return min(failed, key=lambda job: (job.ended_ms, job.id), default=None)

    def failures(self) -> int:
        """How many jobs failed on their own."""
        return sum(job.state in (JobState.FAILED, JobState.ERROR, JobState.EXPIRED) for job in self.jobs)


def build_details(hub: Hub, build_id: str) -> BuildDetails:
    """Everything about a build. Raises NotFound."""

    def read(tx: Tx) -> BuildDetails:
        build, jobs, attempts = views.load_build(tx, build_id)
        change = tx.get(Change, build.change)
        return BuildDetails(build=build, change=change, jobs=tuple(jobs), attempts=attempts)

    return hub.store.read(read)


def build_head(details: BuildDetails) -> Document:
    """A build without its jobs."""
    build, change = details.build, details.change
    counts: dict[str, int] = {}
    for job in details.jobs:
        counts[str(job.state)] = counts.get(str(job.state), 0) + 1
    return {
        "id": build.id,
        "state": str(build.state),
        "source": build.source,
        "reason": build.reason,
        "ref": change.ref if change else "",
        "who": change.who if change else "",
        "project": change.project if change else "",
        "created_s": seconds(build.created_ms),
        "ended_s": seconds(build.ended_ms) if build.ended_ms else None,
        "jobs": len(details.jobs),
        "bar": bar(counts),
    }


def summary(details: BuildDetails) -> str:
    """A build in one sentence: its verdict and why, and what became of its jobs."""
    build = details.build
    verdict = {"open": "It goes on"}.get(str(build.state), f"It {_ended(str(build.state))}")
    because = f": {build.reason}" if build.reason else ""
    counts = report.totals_line(report.totals(details.jobs))
    left = sum(job.open for job in details.jobs)
    return f"{verdict}{because}. Of {len(details.jobs)} jobs: {counts}{f', {left} to go' if left else ''}."


def _ended(state: str) -> str:
    return {
        "ERROR": "ended with an error of the farm",
        "CANCELLED": "was cancelled",
        "SUPERSEDED": "was superseded",
    }.get(state, state.lower())


class JobDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its attempts, what happened to it, names of what it needs and of the machines it was on."""

    job: Job
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    needs: tuple[Job, ...]
    machines: dict[str, str]


def job_details(hub: Hub, job_id: str) -> JobDetails:
    """Everything about a job. Raises NotFound."""

    def read(tx: Tx) -> JobDetails:
        job = views.find_job(tx, job_id)
        attempts = tuple(tx.find(Attempt, "job", job.id))
        found = {a.machine: tx.get(Machine, a.machine) for a in attempts}
        return JobDetails(
            job=job,
            attempts=attempts,
            events=tuple(tx.find(Event, "job", job.id)),
            needs=tuple(need for name in job.needs if (need := tx.get(Job, name)) is not None),
            machines={name: machine.name if machine else name for name, machine in found.items()},
        )

    return hub.store.read(read)


def job_document(details: JobDetails) -> Document:
    """What the page says of the job itself."""
    job, spec = details.job, details.job.spec
    memory = "" if spec.size.memory_mb is None else f", {spec.size.memory_mb:,} MB"
    return {
        "id": job.id,
        "build": job.build,
        "kind": spec.kind,
        "module": spec.module,
        "platform": spec.platform,
        "state": str(job.state),
        "key": job.key,
        "klass": spec.klass,
        "trust": spec.trust,
        "size": f"{spec.size.cores} core{'' if spec.size.cores == 1 else 's'}{memory}",
        "submitted_s": seconds(job.submitted_ms),
        "commands": list(spec.commands),
        "needs": [{"id": need.id, "name": need.name} for need in details.needs],
    }


def attempt_documents(details: JobDetails) -> list[Document]:
    """The attempts of a job, the newest first."""
    return [
        {
            "id": attempt.id,
            "n": attempt.n,
            "state": str(attempt.state),
            "machine": attempt.machine,
            "machine_name": details.machines[attempt.machine],
            "pool": attempt.pool,
            "cause": attempt.cause,
            "started_s": _seconds_or_none(attempt.started_ms),
            "ended_s": _seconds_or_none(attempt.ended_ms),
            "cpu_s": None if attempt.usage.cpu_ms is None else seconds(attempt.usage.cpu_ms),
            "memory_peak_mb": attempt.usage.memory_peak_mb,
            "cost": decimal_text(attempt.cost_micros),
        }
        for attempt in reversed(details.attempts)
    ]


def event_documents(events: Sequence[Event]) -> list[Document]:
    """What happened, the newest first."""
    return [
        {"state": event.state, "at_s": seconds(event.at_ms), "reason": event.reason}
        for event in reversed(events)
    ]


class MachineDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A machine with its open session, if any, and what it runs and ran; jobs by their ids."""

    machine: Machine
    session: Session | None
    running: tuple[Attempt, ...]
    before: tuple[Attempt, ...]
    jobs: dict[str, str]
    now_ms: int


def machine_details(hub: Hub, machine_id: str) -> MachineDetails:
    """Everything about a machine. Raises NotFound."""

    def read(tx: Tx, farm: Farm) -> MachineDetails:
        machine = tx.get(Machine, machine_id)
        if machine is None:
            raise NotFound("machine", machine_id)
        ended = sorted(tx.find(Attempt, "machine", machine.id, False), key=lambda a: -a.ended_ms)[
            :BEFORE_SHOWN
        ]
        running = tx.find(Attempt, "machine", machine.id, True)
        jobs = {a.job: tx.get(Job, a.job) for a in (*running, *ended)}
        return MachineDetails(
            machine=machine,
            session=tx.get(Session, machine.session) if machine.session else None,
            running=tuple(running),
            before=tuple(ended),
            jobs={name: job.name if job else name for name, job in jobs.items()},
            now_ms=farm.time_ms,
        )

    return look(hub, read)


def _seconds_or_none(moment_ms: int) -> float | None:
    return seconds(moment_ms) if moment_ms else None
