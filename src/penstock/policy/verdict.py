"""The verdict over the jobs of a build, once none of them is open."""

from collections.abc import Sequence

from penstock.model.job import Job
from penstock.model.states import BuildState, JobState

_WORST_FIRST = (
    (BuildState.ERROR, (JobState.ERROR, JobState.EXPIRED)),
    (BuildState.FAILED, (JobState.FAILED, JobState.BLOCKED_DEAD)),
    (BuildState.CANCELLED, (JobState.CANCELLED,)),
    (BuildState.SUPERSEDED, (JobState.SUPERSEDED,)),
)


def verdict(jobs: Sequence[Job]) -> tuple[BuildState, str]:
    """State and reason of a build whose jobs have all ended. Jobs that it gave up do not count.

    What the farm did wrong comes before what the code did wrong: it must be told apart. A job that was blocked
    counts as what blocked it, and is named only where nothing else can be.
    """
    counted = [job for job in jobs if job.wanted]
    ends = {job.id: job.state for job in jobs}
    for state, bad in _WORST_FIRST:
        found = [job for job in counted if _end(job, ends) in bad]
        if found:
            first = min(found, key=lambda job: (job.state == JobState.BLOCKED_DEAD, job.name))
            return state, f"{len(found)} of {len(counted)} jobs, the first: {first.name}"
    return BuildState.PASSED, f"all {len(counted)} jobs passed or were reused"


def _end(job: Job, ends: dict[str, JobState]) -> JobState:
    """How a job ended; of one that was blocked, how its culprit did."""
    if job.state != JobState.BLOCKED_DEAD:
        return job.state
    return ends.get(job.culprit, JobState.BLOCKED_DEAD)
