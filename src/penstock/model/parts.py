"""Parts of a workload by time: to learn on one and report on another."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array

from penstock.model.workload import Workload

COLUMNS = (
    "submitted_ms", "duration_ms", "started_ms", "name", "project", "klass", "platform", "branch", "cores", "memory_mb",
)  # fmt: skip


def halves(workload: Workload) -> tuple[Workload, Workload]:
    """What was submitted in the first half of the time from first to last submission, and the rest."""
    if not workload.jobs:
        return workload, workload
    first, last = workload.submitted_ms[0], workload.submitted_ms[-1]
    middle = first + (last - first) // 2
    count = sum([at < middle for at in workload.submitted_ms])
    return rows(workload, 0, count), rows(workload, count, workload.jobs)


def rows(workload: Workload, begin: int, end: int) -> Workload:
    """The rows from `begin` to `end`. Needs of jobs that are not among them are left out: they have ended, or never come."""
    starts, found = array("q"), array("q")
    if workload.needs_from:
        starts.append(0)
        for job in range(begin, end):
            needs = workload.needs[workload.needs_from[job] : workload.needs_from[job + 1]]
            found.extend(need - begin for need in needs if begin <= need < end)
            starts.append(len(found))
    columns = {name: getattr(workload, name)[begin:end] for name in COLUMNS}
    return workload._replace(
        ids=workload.ids[begin:end], needs_from=starts if found else array("q"), needs=found, **columns
    )
