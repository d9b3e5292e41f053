"""Functions of time that are straight between the points of a grid, and the starts at which a job can be cheapest."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from penstock.reports.limits.market import Counts, Reals

Table = npt.NDArray[np.float64]
"""One row for each job, one column for each start that is looked at."""
Short = npt.NDArray[np.float32]
"""The same in single precision: for ways up, never for what is proved."""


class Place(NamedTuple):
    """Where moments lie on a grid: which cell, and how far into it (0 to 1)."""

    cell: npt.NDArray[np.int32]
    share: Short
    points: int

    def read(self, values: Reals | Short) -> Table | Short:
        """The function that has `values` at the points of the grid, in their precision."""
        found: Table | Short = np.diff(values)[self.cell]
        found *= self.share
        found += values[self.cell]
        return found

    def spread(self, weights: Short) -> Reals:
        """How the sum of what `read` gives, so weighted, changes with the value at each point."""
        right = weights * self.share
        sums: Reals = np.bincount(self.cell.ravel(), (weights - right).ravel(), self.points).astype(
            np.float64
        )
        sums[1:] += np.bincount(self.cell.ravel(), right.ravel(), self.points)[:-1]
        return sums


def place(grid: Reals, moments: Table) -> Place:
    """Where `moments` lie, all of them on the grid."""
    cell = np.minimum(np.searchsorted(grid, moments, "right") - 1, len(grid) - 2).astype(np.int32)
    share = (moments - grid[cell]) / np.diff(grid)[cell]
    return Place(cell, share.astype(np.float32), len(grid))


def covering(first: Reals, last: Reals, step: float) -> Reals:
    """Multiples of `step` around every span from `first` to `last`; none where nothing can happen."""
    low, high = np.floor(first / step).astype(np.int64), np.floor(last / step).astype(np.int64) + 1
    order = np.argsort(low)
    low, reached = low[order], np.maximum.accumulate(high[order])
    fresh = np.concatenate(([True], low[1:] > reached[:-1]))
    begins, ends = low[fresh], reached[np.append(np.flatnonzero(fresh)[1:] - 1, len(low) - 1)]
    return _runs(begins, ends - begins + 1).astype(np.float64) * step


def _runs(first: Counts, count: Counts) -> Counts:
    """`first`, `first + 1`, … `count` of them, for each row, one behind the other."""
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(int(count.sum()))


def corners(grid: Reals, first: Reals, window: float, lag: Reals) -> Table:
    """Every start from `first` to `first + window` whose `lag` later is a point of the grid; rows are filled up
    with the last start."""
    low = np.searchsorted(grid, first + lag, "right")
    high = np.searchsorted(grid, first + lag + window, "left")
    column = low[:, None] + np.arange(int((high - low).max(initial=0)))[None, :]
    starts = grid[np.minimum(column, len(grid) - 1)] - lag[:, None]
    within: Table = np.clip(starts, first[:, None], (first + window)[:, None])
    return within


def starts(grid: Reals, first: Reals, window: float, *lags: Reals) -> Table:
    """The first and the last start, and those between at which one of `lags` later is a point of the grid."""
    ends = np.stack((first, first + window), axis=1) if window else first[:, None]
    return np.concatenate([ends, *(corners(grid, first, window, lag) for lag in lags)], axis=1)
