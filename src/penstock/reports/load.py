"""How much was waiting, running or up over time: spans counted on a grid of cells. Plain arrays, one pass over the spans."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from penstock.model.outcome import Outcome
from penstock.model.units import DAY_MS, MS_PER_HOUR

Span = tuple[int, int]
"""From a moment (in) to a moment (out), milliseconds."""

MINUTE_MS = 60_000
STEPS_MS = (
    *(minutes * MINUTE_MS for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * MS_PER_HOUR for hours in (1, 2, 3, 4, 6, 12)),
    *(days * DAY_MS for days in (1, 2, 7, 14, 28, 91, 182, 364)),
)
"""Lengths of cells that people can name."""


class Grid(NamedTuple):
    """Cells of `step_ms` from `begun_ms`, which is a multiple of it."""

    begun_ms: int
    step_ms: int
    cells: int

    @property
    def ended_ms(self) -> int:
        """Where the last cell ends."""
        return self.begun_ms + self.cells * self.step_ms

    def moments(self) -> list[int]:
        """Where each cell begins."""
        return [self.begun_ms + cell * self.step_ms for cell in range(self.cells)]


def grid(begun_ms: int, ended_ms: int, cells_most: int) -> Grid:
    """The finest grid of at most so many cells over a time. There is at least one cell."""
    for step_ms in STEPS_MS:
        found = _grid(begun_ms, ended_ms, step_ms)
        if found.cells <= cells_most:
            return found
    return _grid(
        begun_ms, ended_ms, ((ended_ms - begun_ms) // (max(1, cells_most - 1) * DAY_MS) + 1) * DAY_MS
    )


def _grid(begun_ms: int, ended_ms: int, step_ms: int) -> Grid:
    first = begun_ms // step_ms * step_ms
    return Grid(first, step_ms, max(1, -(-(ended_ms - first) // step_ms)))


def mean_inside(spans: Iterable[Span], cells: Grid) -> list[float]:
    """How many spans cover each cell, on average over the cell."""
    begun, step, count = cells
    ended = cells.ended_ms
    part, whole = [0] * count, [0] * (count + 1)
    for start, end in spans:
        start, end = max(start, begun), min(end, ended)
        if end <= start:
            continue
        first, last = (start - begun) // step, (end - begun) // step
        if first == last:
            part[first] += end - start
            continue
        part[first] += begun + (first + 1) * step - start
        whole[first + 1] += 1
        whole[last] -= 1
        if last < count:
            part[last] += end - begun - last * step
    return [n + ms / step for n, ms in zip(accumulate(whole[:count]), part, strict=True)]


def most_inside(spans: Iterable[Span], cells: Grid) -> list[int]:
    """The most spans at one moment of each cell. A span that ends when another begins does not count beside it."""
    begun, step, count = cells
    within = ((max(start, begun), min(end, cells.ended_ms)) for start, end in spans)
    # Ends of a moment before its starts.
    steps = sorted(edge for start, end in within if start < end for edge in ((start, 1), (end, -1)))
    most, inside, before = [0] * count, 0, begun
    for moment, change in steps:
        for cell in range((before - begun) // step, (moment - begun - 1) // step + 1):
            most[cell] = max(most[cell], inside)
        inside, before = inside + change, moment
    return most


def waiting(outcome: Outcome, rows: Iterable[int] | None = None) -> list[Span]:
    """When jobs waited: from ready to first start, to the end of the run where they never started."""
    ready, start, ended = outcome.ready_ms, outcome.first_start_ms, outcome.ended_ms
    chosen = range(len(ready)) if rows is None else rows
    return [
        (ready[n], start[n] if start[n] >= 0 else ended)
        for n in chosen
        if ready[n] >= 0 and (start[n] < 0 or start[n] > ready[n])
    ]


def running(outcome: Outcome, rows: Iterable[int] | None = None) -> list[Span]:
    """When jobs ran: the attempt that ended each of them, without a cold extra."""
    end, ran = outcome.end_ms, outcome.ran_ms
    return [(end[n] - ran[n], end[n]) for n in (range(len(end)) if rows is None else rows) if end[n] >= 0]


def rows_by(group: Sequence[int], groups: int) -> list[list[int]]:
    """The rows of each group, by its number; what has none (-1) is left out."""
    found: list[list[int]] = [[] for _ in range(groups)]
    for row, number in enumerate(group):
        if number >= 0:
            found[number].append(row)
    return found
