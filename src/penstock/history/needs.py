"""What jobs need, from ids to row numbers: columns that millions of rows fit into."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate

from penstock.model.graph import cycles

UNKNOWN_NEED = "needs: a job that is not there"
CYCLE_NEED = "needs: a job that needs it in turn"


def resolved(ids: Sequence[str], needs: Mapping[str, str]) -> tuple[array[int], array[int], dict[str, int]]:
    """The columns `needs_from` and `needs` of a workload with these ids, and how many needs were left out of them, and why.

    `needs`: for some ids those that they need, separated by spaces. Left out are jobs that are not there and needs
    between jobs of one cycle. Both columns are empty when nothing is needed.
    """
    if not needs:
        return array("q"), array("q"), {}
    dropped: Counter[str] = Counter()
    starts, found = _numbered(ids, needs, dropped)
    if knots := _knots(starts, found):
        starts, found = _without(starts, found, knots, dropped)
    return (starts, found, dict(dropped)) if found else (array("q"), array("q"), dict(dropped))


def _numbered(
    ids: Sequence[str], needs: Mapping[str, str], dropped: Counter[str]
) -> tuple[array[int], array[int]]:
    """All needs of jobs that are there, each once."""
    rows = {job: row for row, job in enumerate(ids)}
    starts, found = array("q", [0]), array("q")
    for job in ids:
        for need in dict.fromkeys(needs.get(job, "").split()):
            row = rows.get(need)
            if row is None:
                dropped[UNKNOWN_NEED] += 1
            else:
                found.append(row)
        starts.append(len(found))
    return starts, found


def _knots(starts: array[int], needs: array[int]) -> dict[int, int]:
    """For each row that is on a cycle the number of its knot."""
    left = _unordered(starts, needs)
    inner = {str(row): [str(need) for need in needs[starts[row] : starts[row + 1]]] for row in left}
    return {int(row): number for number, knot in enumerate(cycles(inner)) for row in knot}


def _unordered(starts: array[int], needs: array[int]) -> list[int]:
    """Rows that have no place in an order of needs: those on cycles, and what needs them (Kahn, over columns)."""
    jobs = len(starts) - 1
    counts = array("q", bytes(8 * (jobs + 1)))
    for need in needs:
        counts[need + 1] += 1
    ends = array("q", accumulate(counts))  # the dependents of a row end where the next one's begin
    dependents = array("q", bytes(8 * len(needs)))
    place = ends[:]
    for job in range(jobs):
        for need in needs[starts[job] : starts[job + 1]]:
            dependents[place[need]] = job
            place[need] += 1
    unmet = array("q", (starts[job + 1] - starts[job] for job in range(jobs)))
    ready = array("q", (job for job in range(jobs) if not unmet[job]))
    for row in ready:
        for job in dependents[ends[row] : ends[row + 1]]:
            unmet[job] -= 1
            if not unmet[job]:
                ready.append(job)
    return [job for job in range(jobs) if unmet[job]]


def _without(
    starts: array[int], needs: array[int], knots: Mapping[int, int], dropped: Counter[str]
) -> tuple[array[int], array[int]]:
    """The columns without the needs between jobs of one knot."""
    new_starts, kept = array("q", [0]), array("q")
    for job in range(len(starts) - 1):
        for need in needs[starts[job] : starts[job + 1]]:
            if job in knots and knots[job] == knots.get(need):
                dropped[CYCLE_NEED] += 1
            else:
                kept.append(need)
        new_starts.append(len(kept))
    return new_starts, kept
