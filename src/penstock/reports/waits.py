"""How long jobs waited: as a whole, by platform and by class, beside what was promised and beside what was recorded.

A wait is the first start less the moment at which the job was ready: submitted, and its last need ended. A job that
never started has no wait and is never in time. Times are integer milliseconds; what goes out is seconds.

A quantile here is a wait that occurred: the smallest one that at least this share of the jobs did not exceed (nearest
rank). So p95 is at most the promise exactly when 95 % were in time.
"""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections.abc import Sequence
from itertools import chain
from math import ceil
from typing import NamedTuple

from penstock.model.outcome import Outcome
from penstock.model.units import MS_PER_HOUR
from penstock.model.workload import UNKNOWN, Workload


class Waits(NamedTuple):
    """Waits of some jobs, in milliseconds. `jobs`: how many have one; without any the rest is None."""

    jobs: int
    mean_ms: float | None
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    max_ms: int | None


NOBODY = Waits(0, None, None, None, None, None)


def wait_column(outcome: Outcome) -> array[int]:
    """Each job's wait in milliseconds, UNKNOWN where it never started."""
    return array(
        "q",
        [
            start - ready if start >= 0 else UNKNOWN
            for start, ready in zip(outcome.first_start_ms, outcome.ready_ms, strict=True)
        ],
    )


def ranked(column: Sequence[int]) -> list[int]:
    """The waits of a column, the shortest first, without those that are UNKNOWN."""
    return sorted([wait for wait in column if wait != UNKNOWN])


def quantile(ordered: Sequence[int], percent: float) -> int:
    """The smallest of some ordered numbers that `percent` of a hundred of them do not exceed. There is at least one."""
    # A hair less: 99.9 % of 1,000 is 999, and floating point says 999.0000000000001.
    return ordered[max(0, ceil(percent * len(ordered) / 100 - 1e-9) - 1)]


def waits(column: Sequence[int]) -> Waits:
    """Mean, quantiles and maximum of a column of waits."""
    return waits_of(ranked(column))


def waits_of(ordered: Sequence[int]) -> Waits:
    """The same of waits that are in order and all known."""
    if not ordered:
        return NOBODY
    p50, p95, p99 = (quantile(ordered, percent) for percent in (50, 95, 99))
    return Waits(len(ordered), sum(ordered) / len(ordered), p50, p95, p99, ordered[-1])


def in_time(column: Sequence[int], promise_ms: int, apart: int = 0) -> float | None:
    """Which share of all jobs started within the promise; those that never started did not. None without jobs.

    `apart`: how many jobs of the column are no jobs of this farm, and count neither way.
    """
    jobs = len(column) - apart
    return sum([0 <= wait <= promise_ms for wait in column]) / jobs if jobs else None


def by_group(column: Sequence[int], group: Sequence[int], names: Sequence[str]) -> dict[str, list[int]]:
    """The ordered waits of each group that has jobs, by its name, in the order of `names`. `group`: indexes of names."""
    parts: list[list[int]] = [[] for _ in names]
    seen = [False] * len(names)
    for wait, number in zip(column, group, strict=True):
        seen[number] = True
        if wait != UNKNOWN:
            parts[number].append(wait)
    return {name: sorted(part) for name, part, there in zip(names, parts, seen, strict=True) if there}


class Little(NamedTuple):
    """Little's law for one pool: jobs inside, on average over the run, against arrivals a millisecond x mean stay.

    `inside` is counted along the run, moment by moment; `rate_per_hour` and `stay_ms` are of the jobs one by one.
    `residual`: (inside - rate x stay) / inside; anything but 0 is a fault in the books.
    """

    pool: str
    jobs: int
    inside: float
    rate_per_hour: float
    stay_ms: float
    residual: float


def little(outcome: Outcome) -> list[Little]:
    """Little's law for every pool that ended jobs: they enter when they are ready and leave when they end."""
    span_ms = outcome.ended_ms - outcome.begun_ms
    entered: list[list[int]] = [[] for _ in outcome.pools]
    left: list[list[int]] = [[] for _ in outcome.pools]
    for ready, end, pool in zip(outcome.ready_ms, outcome.end_ms, outcome.pool, strict=True):
        if end >= 0:
            entered[pool].append(ready)
            left[pool].append(end)
    return [
        _little(name, sorted(come), sorted(gone), span_ms)
        for name, come, gone in zip(outcome.pools, entered, left, strict=True)
        if come and span_ms > 0
    ]


def _little(pool: str, entered: list[int], left: list[int], span_ms: int) -> Little:
    inside_ms, stays_ms, jobs = presence_ms(entered, left), sum(left) - sum(entered), len(entered)
    residual = (inside_ms - stays_ms) / inside_ms if inside_ms else 0.0
    return Little(pool, jobs, inside_ms / span_ms, jobs / span_ms * MS_PER_HOUR, stays_ms / jobs, residual)


def presence_ms(entered: Sequence[int], left: Sequence[int]) -> int:
    """How many are inside, summed over time: both ordered, as many leave as enter. Who leaves before entering counts 0."""
    inside = total = at = 0
    steps = sorted(chain(((moment, 1) for moment in entered), ((moment, -1) for moment in left)))
    for moment, step in steps:
        total += max(0, inside) * (moment - at)
        inside, at = inside + step, moment
    return total


class Residual(NamedTuple):
    """Simulated waits beside recorded ones, for the jobs that have both.

    `difference_ms`: the mean of simulated less recorded; `apart_ms`: the median of how far the two lie apart.
    `told`: False where the history has no waits at all (every job "started" when it was ready).
    """

    recorded: Waits
    simulated: Waits
    difference_ms: float | None
    apart_ms: int | None
    told: bool


def recorded_column(workload: Workload) -> array[int]:
    """Each job's wait in the history: recorded start less submission and last recorded end of its needs; else UNKNOWN."""
    found = array("q", [])
    for job, (start, submitted) in enumerate(zip(workload.started_ms, workload.submitted_ms, strict=True)):
        ready = max(submitted, _needs_ended_ms(workload, job))
        found.append(max(0, start - ready) if start != UNKNOWN else UNKNOWN)
    return found


def _needs_ended_ms(workload: Workload, job: int) -> int:
    """When the last need of a job ended in the history; UNKNOWN without needs, or where none was recorded."""
    if not workload.needs_from:
        return UNKNOWN
    needs = workload.needs[workload.needs_from[job] : workload.needs_from[job + 1]]
    ends = [
        workload.started_ms[n] + workload.duration_ms[n] for n in needs if workload.started_ms[n] != UNKNOWN
    ]
    return max(ends, default=UNKNOWN)


def residual(recorded: Sequence[int], simulated: Sequence[int]) -> Residual:
    """How far the simulated waits are from those that were recorded. Both are columns by job."""
    pairs = [
        (was, now) for was, now in zip(recorded, simulated, strict=True) if was != UNKNOWN and now != UNKNOWN
    ]
    if not pairs:
        return Residual(NOBODY, NOBODY, None, None, told=False)
    before, after = waits([was for was, _ in pairs]), waits([now for _, now in pairs])
    apart = quantile(sorted(abs(now - was) for was, now in pairs), 50)
    difference = sum(now - was for was, now in pairs) / len(pairs)
    return Residual(before, after, difference, apart, told=any(was for was, _ in pairs))
