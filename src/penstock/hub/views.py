"""What people ask to see, as documents: builds, jobs, machines. Read only, each from one consistent view."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from penstock.hub.context import Hub, NotFound
from penstock.hub.planner import job_id
from penstock.model.artifact import Failure, Module
from penstock.model.change import Build
from penstock.model.job import Attempt, Job, Output, Trust
from penstock.model.states import AttemptState, JobState
from penstock.model.units import seconds
from penstock.policy.reuse import readable
from penstock.ports import Tx
from penstock.reports import builds as report

Document = dict[str, Any]
MOST_BUILDS = 200
MOST_KNOWN = 10_000
MOST_JOBS = 1000
"""What is read from one view of the store."""


def load_build(tx: Tx, build_id: str) -> tuple[Build, list[Job], dict[str, list[Attempt]]]:
    """A build with its jobs, in plan order, and the attempts of each. Raises NotFound."""
    build = _build(tx, build_id)
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
    return {"builds": builds_page(hub, MOST_BUILDS)["builds"]}


def builds_page(
    hub: Hub, limit: int, after: str | None = None, known: dict[str, Document] | None = None
) -> Document:
    """At most `limit` builds, the newest first, older than the build `after`; `next` is the next `after`, or None.

    O(their jobs); `known` keeps the lines of builds in which nothing can change any more, for the next call.
    Raises NotFound for an unknown `after`.
    """
    kept = {} if known is None else known

    def read(tx: Tx) -> Document:
        last = _build(tx, after) if after else None
        place = (last.created_ms, last.id) if last else ()
        found = tx.find(Build, "created", limit=limit + 1, after=place, backwards=True)
        lines = [kept.get(build.id) or _build_line(tx, build) for build in found[:limit]]
        _keep(kept, lines)
        return {"builds": lines, "next": found[limit - 1].id if len(found) > limit else None}

    return hub.store.read(read)


def _keep(known: dict[str, Document], lines: list[Document]) -> None:
    """Remember what is over; when there is too much of it, all is forgotten."""
    if len(known) > MOST_KNOWN:
        known.clear()
    known.update((line["id"], line) for line in lines if line["ended_s"] is not None and not line["open"])


def jobs_view(hub: Hub, build_id: str | None) -> Document:
    """All jobs, or those of one build, each with its attempts: `penstock jobs --json`. Raises NotFound.

    Read in pages, so that no view of the store is held for long: jobs that change meanwhile are shown once.
    """
    page = jobs_page(hub, build_id, MOST_JOBS)
    lines: list[Document] = page["jobs"]
    while page["next"]:
        page = jobs_page(hub, build_id, MOST_JOBS, page["next"])
        lines += page["jobs"]
    return {"jobs": lines}


def jobs_page(hub: Hub, build_id: str | None, limit: int, after: str | None = None) -> Document:
    """At most `limit` jobs, of one build or of all from the oldest on, behind the job `after`; `next` as above.

    O(limit), however many there are. Raises NotFound, also for an `after` of another build.
    """

    def read(tx: Tx) -> Document:
        found = list(islice(_jobs_behind(tx, build_id, after), limit + 1))
        lines = [report.job_document(job, tx.find(Attempt, "job", job.id)) for job in found[:limit]]
        return {"jobs": lines, "next": found[limit - 1].id if len(found) > limit else None}

    return hub.store.read(read)


def _jobs_behind(tx: Tx, build_id: str | None, after: str | None) -> Iterator[Job]:
    """Jobs in the order of their builds and plans, read one by one."""
    last = find_job(tx, after) if after else None
    if last and build_id and last.build != build_id:
        raise NotFound(f"job of build {build_id}", last.id)
    build = _build(tx, last.build if last else build_id) if last or build_id else _next_build(tx, None)
    number = int(last.id.rpartition("-")[2]) + 1 if last else 1
    while build is not None:
        while job := tx.get(Job, job_id(build.id, number)):
            yield job
            number += 1
        build, number = None if build_id else _next_build(tx, build), 1


def _next_build(tx: Tx, build: Build | None) -> Build | None:
    place = (build.created_ms, build.id) if build else ()
    found = tx.find(Build, "created", limit=1, after=place)
    return found[0] if found else None


def _build(tx: Tx, build_id: str | None) -> Build:
    build = tx.get(Build, build_id)
    if build is None:
        raise NotFound("build", str(build_id))
    return build


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


def _plan_order(job: Job) -> tuple[int, str]:
    """Ids end in the job's number in its plan; longer numbers come later."""
    return len(job.id), job.id


def known(tx: Tx, trust: Trust, key: str) -> tuple[list[Module], Failure | None]:
    """What the archive has of a key for a job of this trust: modules it may read, own level first, and its failure."""
    modules = [tx.get(Module, level, key) for level in readable(trust)]
    return [module for module in modules if module is not None], tx.get(Failure, trust, key)


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
