"""What people ask to see, as documents: builds, jobs, machines. Read only, each from one consistent view."""

from typing import Any

from penstock.hub.context import Hub, NotFound
from penstock.model.artifact import Failure, Module
from penstock.model.change import Build
from penstock.model.job import Attempt, Job, Output, Trust
from penstock.model.machine import Machine, Session
from penstock.model.states import AttemptState, JobState
from penstock.model.units import decimal_text, seconds
from penstock.policy.reuse import readable
from penstock.ports import Tx
from penstock.reports import builds as report

Document = dict[str, Any]
MOST_BUILDS = 200


def load_build(tx: Tx, build_id: str) -> tuple[Build, list[Job], dict[str, list[Attempt]]]:
    """A build with its jobs, in plan order, and the attempts of each. Raises NotFound."""
    build = tx.get(Build, build_id)
    if build is None:
        raise NotFound("build", build_id)
    attempts: dict[str, list[Attempt]] = {}
    for attempt in tx.find(Attempt, "build", build_id):
        attempts.setdefault(attempt.job, []).append(attempt)
    for tries in attempts.values():
        tries.sort(key=lambda attempt: attempt.n)
    return build, sorted(_jobs_of(tx, build_id), key=_plan_order), attempts


def build_view(hub: Hub, build_id: str) -> Document:
    """One build with the result of each job: `penstock build --json`. Raises NotFound."""
    build, jobs, attempts = hub.store.read(lambda tx: load_build(tx, build_id))
    return report.build_document(build, jobs, attempts, hub.rules.currency)


def builds_view(hub: Hub) -> Document:
    """The newest builds first, each with its totals."""
    return hub.store.read(lambda tx: {"builds": [_build_line(tx, b) for b in _newest(tx)]})


def jobs_view(hub: Hub, build_id: str | None) -> Document:
    """All jobs, or those of one build, each with its attempts: `penstock jobs --json`. Raises NotFound."""

    def read(tx: Tx) -> Document:
        chosen = [build_id] if build_id else [build.id for build in tx.find(Build, "created")]
        lines = []
        for one in chosen:
            _, jobs, attempts = load_build(tx, one)
            lines += [report.job_document(job, attempts.get(job.id, ())) for job in jobs]
        return {"jobs": lines}

    return hub.store.read(read)


def job_view(hub: Hub, job_id: str) -> Document:
    """One job with its attempts. Raises NotFound."""

    def read(tx: Tx) -> Document:
        job = find_job(tx, job_id)
        return report.job_document(job, tx.find(Attempt, "job", job.id))

    return hub.store.read(read)


def find_job(tx: Tx, job_id: str) -> Job:
    """A job by its id. Raises NotFound."""
    job = tx.get(Job, job_id)
    if job is None:
        raise NotFound("job", job_id)
    return job


def newest_attempt(hub: Hub, job_id: str) -> Attempt | None:
    """The latest try at a job, or None while there is none. Raises NotFound for an unknown job."""

    def read(tx: Tx) -> Attempt | None:
        tries = tx.find(Attempt, "job", find_job(tx, job_id).id)
        return tries[-1] if tries else None

    return hub.store.read(read)


def outputs_of(hub: Hub, job_id: str) -> tuple[Output, ...]:
    """What a job that passed has made; of a reused one what the job made whose result it took. Raises NotFound."""

    def read(tx: Tx) -> tuple[Output, ...]:
        job = find_job(tx, job_id)
        if job.state == JobState.REUSED:
            modules, _ = known(tx, job.spec.trust, job.key)
            job = (tx.get(Job, modules[0].producer) if modules else None) or job
        passed = [tried for tried in tx.find(Attempt, "job", job.id) if tried.state == AttemptState.PASSED]
        return passed[-1].outputs if passed else ()

    return hub.store.read(read)


def machines_view(hub: Hub) -> Document:
    """All machines with their three states and what runs on them."""
    return hub.store.read(
        lambda tx: {"machines": [_machine_line(tx, one) for one in tx.find(Machine, "pool")]}
    )


def _plan_order(job: Job) -> tuple[int, str]:
    """Ids end in the job's number in its plan; longer numbers come later."""
    return len(job.id), job.id


def known(tx: Tx, trust: Trust, key: str) -> tuple[list[Module], Failure | None]:
    """What the archive has of a key for a job of this trust: modules it may read, own level first, and its failure."""
    modules = [tx.get(Module, level, key) for level in readable(trust)]
    return [module for module in modules if module is not None], tx.get(Failure, trust, key)


def _newest(tx: Tx) -> list[Build]:
    return list(reversed(tx.find(Build, "created")))[:MOST_BUILDS]


def _jobs_of(tx: Tx, build_id: str) -> list[Job]:
    return tx.find(Job, "build", build_id)


def _build_line(tx: Tx, build: Build) -> Document:
    jobs = _jobs_of(tx, build.id)
    return {
        "id": build.id,
        "source": build.source,
        "state": str(build.state),
        "reason": build.reason,
        "created_s": seconds(build.created_ms),
        "ended_s": seconds(build.ended_ms) if build.ended_ms else None,
        "jobs": len(jobs),
        "open": sum(job.open for job in jobs),
        "totals": report.totals(jobs),
    }


def _machine_line(tx: Tx, machine: Machine) -> Document:
    live = tx.find(Attempt, "machine", machine.id, True)
    session = tx.get(Session, machine.session) if machine.session else None
    return {
        "id": machine.id,
        "name": machine.name,
        "pool": machine.pool,
        "power": str(machine.power),
        "session": str(session.state) if session is not None else "GONE",
        "health": str(machine.health),
        "reason": machine.health_reason,
        "sandbox": machine.sandbox,
        "slots": machine.slots,
        "cores": machine.has.cores,
        "memory_mb": machine.has.memory_mb,
        "price_per_hour": decimal_text(machine.price_per_hour_micros),
        "running": [attempt.job for attempt in live],
    }
