"""Builds and jobs as documents: what was built, reused, failed; how long it waited and ran; what it cost.

The shapes are contracts (docs/reference/commands.md, `penstock build --json` and `penstock jobs --json`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.model.change import Build
from penstock.model.job import Attempt, Job
from penstock.model.states import BuildState, JobState
from penstock.model.units import decimal_text, seconds

Document = dict[str, Any]

RESULTS = {
    JobState.PASSED: "passed",
    JobState.REUSED: "reused",
    JobState.FAILED: "failed",
    JobState.ERROR: "error",
    JobState.CANCELLED: "cancelled",
    JobState.EXPIRED: "expired",
    JobState.SUPERSEDED: "superseded",
    JobState.BLOCKED_DEAD: "blocked",
}
"""How a terminal state is called in results."""

WAITING = {JobState.BLOCKED: "waiting"}
"""States that have not ended, and would else be called as one that has."""

TOTALS = {
    "built": (JobState.PASSED,),
    "reused": (JobState.REUSED,),
    "failed": (JobState.FAILED,),
    "error": (JobState.ERROR, JobState.EXPIRED),
    "blocked": (JobState.BLOCKED_DEAD,),
}
"""Which states each total counts; built = ran and passed, jobs of all kinds."""

EXIT_PASSED, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_FARM = 0, 1, 2, 3


def totals(jobs: Sequence[Job]) -> dict[str, int]:
    """How many jobs were built, reused, failed, in error, blocked."""
    return {name: sum(job.state in states for job in jobs) for name, states in TOTALS.items()}


def totals_line(counts: Mapping[str, int]) -> str:
    """The last line of a run: `built N, reused N, failed N, error N, blocked N`."""
    return ", ".join(f"{name} {counts[name]}" for name in TOTALS)


def waited_ms(job: Job, attempts: Sequence[Attempt]) -> int:
    """From when the job could start to its first start; 0 for a job that never ran."""
    starts = [attempt.started_ms for attempt in attempts if attempt.started_ms]
    return max(0, min(starts) - job.ready_ms) if starts else 0


def ran_ms(attempts: Sequence[Attempt]) -> int:
    """Machine time of all attempts together, lost ones included."""
    return sum(max(0, a.ended_ms - a.started_ms) for a in attempts if a.started_ms and a.ended_ms)


def result_of(job: Job) -> str:
    """The result of a job that has ended, or the state of one that has not."""
    return (RESULTS | WAITING).get(job.state, str(job.state))


def build_document(
    build: Build, jobs: Sequence[Job], attempts: Mapping[str, Sequence[Attempt]], currency: str
) -> Document:
    """`penstock build --json`. `attempts`: those of each job by its id."""
    return {
        "schema": 1,
        "build": build.id,
        "state": str(build.state),
        "passed": build.state == BuildState.PASSED,
        "totals": totals(jobs),
        "jobs": [_result_line(job, attempts.get(job.id, ()), currency) for job in jobs],
    }


def _result_line(job: Job, attempts: Sequence[Attempt], currency: str) -> Document:
    return {
        "id": job.id,
        "module": job.spec.module,
        "platform": job.spec.platform,
        "kind": job.spec.kind,
        "result": result_of(job),
        "attempts": len(attempts),
        "waited_s": seconds(waited_ms(job, attempts)),
        "ran_s": seconds(ran_ms(attempts)),
        "cost": decimal_text(sum(attempt.cost_micros for attempt in attempts)),
        "currency": currency,
        "key": job.key or None,
        "reason": job.reason,
    }


def job_document(job: Job, attempts: Sequence[Attempt]) -> Document:
    """One job of `penstock jobs --json`."""
    return {
        "id": job.id,
        "build": job.build,
        "module": job.spec.module,
        "platform": job.spec.platform,
        "kind": job.spec.kind,
        "state": str(job.state),
        "reason": job.reason,
        "submitted_s": seconds(job.submitted_ms),
        "ready_s": _seconds_or_none(job.ready_ms),
        "attempts": [_attempt_document(attempt) for attempt in attempts],
    }


def _attempt_document(attempt: Attempt) -> Document:
    return {
        "id": attempt.id,
        "n": attempt.n,
        "fence": attempt.fence,
        "machine": attempt.machine,
        "pool": attempt.pool,
        "state": str(attempt.state),
        "cause": attempt.cause,
        "offered_s": _seconds_or_none(attempt.offered_ms),
        "started_s": _seconds_or_none(attempt.started_ms),
        "ended_s": _seconds_or_none(attempt.ended_ms),
        "cpu_s": None if attempt.usage.cpu_ms is None else seconds(attempt.usage.cpu_ms),
        "memory_peak_mb": attempt.usage.memory_peak_mb,
    }


def _seconds_or_none(moment_ms: int) -> float | None:
    return seconds(moment_ms) if moment_ms else None


def exit_status(jobs: Sequence[Job]) -> int:
    """0 all passed or reused; 1 something failed, was blocked or given up; 3 the farm failed (wins over 1)."""
    states = {job.state for job in jobs}
    if states & {JobState.ERROR, JobState.EXPIRED}:
        return EXIT_FARM
    return EXIT_PASSED if states <= {JobState.PASSED, JobState.REUSED} else EXIT_FAILED
