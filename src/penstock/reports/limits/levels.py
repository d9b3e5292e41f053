"""LB1: the least that it costs to run every job at the moment it is submitted.

Sorted by time, starts and ends are steps up and down. What needs a machine more than before is level `l`; each level
is one machine that works, idles and works again. Which machine takes over from which is a matching of ends with later
starts; the cost of bridging a gap is concave, so crossing pairs are never better than nested ones, and the nested
matching is the levels. So their gaps are the cheapest there are. Owned machines hold the lowest levels. That is exact
without owned machines; with them a job would have to move when an owned machine becomes free, so it is a bound.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from penstock.reports.limits.market import Counts, Moments, Reals, Rent, Span

END, BLINK, BLINKED, START = range(4)
"""Steps of one moment, in this order: who starts takes over from who ends. Jobs of no length share one machine."""


class Levels(NamedTuple):
    """When each level was needed, by level and then by time: one row for each time it rose and dropped again."""

    level: Counts
    rose_ms: Moments
    dropped_ms: Moments


def levels(span: Span, owned: int = 0) -> Levels:
    """The levels above `owned` when every job starts at once. O(n log n) time, about 200 bytes a job."""
    steps = _steps(span)
    after = np.cumsum(np.where(steps & 1, 1, -1), dtype=np.int32)
    level = after + (~steps & 1).astype(np.int32)
    high = level > owned
    level, steps = level[high], steps[high]
    # Fewer than 32,768 levels sort by digits, in linear time.
    narrow = level.astype(np.int16) if level.max(initial=0) < 1 << 15 else level
    order = np.argsort(narrow, kind="stable")
    pairs = (steps[order] >> 2).reshape(-1, 2)
    return Levels(level[order][::2].astype(np.int64), pairs[:, 0], pairs[:, 1])


def _steps(span: Span) -> npt.NDArray[np.int64]:
    """Every step as its moment times four plus what it is, sorted; odd ones go up."""
    start = span.submitted_ms * 4
    long = span.run_ms > 0
    blink = np.unique(start[~long])
    start = start[long]
    steps = np.concatenate(
        (start + span.run_ms[long] * 4 + END, blink + BLINK, blink + BLINKED, start + START)
    )
    steps.sort()
    return steps


def zero_wait(span: Span, rent: Rent) -> float:
    """LB1. With a cold extra it is a bound: see `overlap`."""
    return level_cost(levels(span, rent.owned), rent, rent.wake - overlap(span, rent))


def level_cost(needed: Levels, rent: Rent, wake: float) -> float:
    """Rent of the levels: their work, the cheapest way over each gap, and `wake` for the first use of each."""
    work = rent.price * float((needed.dropped_ms - needed.rose_ms).sum())
    first = np.diff(needed.level, prepend=0) != 0
    gaps = needed.rose_ms[1:] - needed.dropped_ms[:-1]
    bridges = np.minimum(rent.kept(gaps[~first[1:]].astype(np.float64)), wake)
    return work + float(bridges.sum()) + wake * int(first.sum())


def overlap(span: Span, rent: Rent) -> float:
    """The most that a machine's first gap can be cheaper because its cold first job reaches into it.

    The levels know of jobs that are not cold. A cold one ends later, so that its machine bridges `cold_ms` less
    until its next job. That saves most where the next start after the cold end comes soonest.
    """
    starts = np.sort(span.submitted_ms)
    ends = span.submitted_ms + span.run_ms
    following = np.searchsorted(starts, ends + rent.cold_ms)
    there = following < len(starts)
    gaps: Reals = (starts[following[there]] - ends[there]).astype(np.float64)
    return float((rent.bridged(gaps) - rent.bridged(gaps - rent.cold_ms)).max(initial=0.0))
