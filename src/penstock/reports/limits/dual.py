"""A proof that no schedule is cheaper: what a machine that is on is worth at each moment, and what an owned one is.

`mu(t)` is the worth of a rented machine that is on and free at `t`, `nu(t)` the price of an owned one. If bridging a
gap never costs less than `mu` gains over it, then what a rented machine costs between its boot and its end is at least
the sum over its jobs of `run + mu(start) - mu(end)`: the terms of neighbours cancel but for what the gaps cost. So a
sum over jobs, each at its own cheapest start, is a limit for all schedules, whatever `mu` and `nu` are. How good it is
depends on them; that it holds does not. All values are in milliseconds of rent, all times in milliseconds.
"""

from typing import NamedTuple

import numpy as np

from penstock.reports.limits.grid import starts
from penstock.reports.limits.market import Counts, Reals

TOGETHER = 1 << 21
"""How many starts are looked at in one go: 16 MB for a table of them."""


class Case(NamedTuple):
    """One market, prices divided by that of rent.

    `first`: the earliest start of each job, from the earliest of all. `run`, `owned_run`: its length on a rented and
    on an owned machine. `window`: how much later it may start. `waiting`: the price of waiting. `wake`: of a new
    machine, with the extra run time `cold` of its first job. `resume`, `stopped`: of being stopped, once and for its
    time; infinite where it cannot be. `owned`: machines that cost nothing.
    """

    first: Reals
    run: Reals
    owned_run: Reals
    window: float
    waiting: float
    wake: float
    cold: float
    resume: float
    stopped: float
    owned: int


class Worth(NamedTuple):
    """`mu` at the points of `grid`, and the integral of `nu` up to them."""

    grid: Reals
    mu: Reals
    paid: Reals


def feasible(case: Case, grid: Reals, wish: Reals) -> tuple[Reals, Counts]:
    """The largest `mu` not above `wish` that gains no more over any gap than it costs to keep a machine for that time.

    A machine that is given back and replaced begins anew: with a `wish` between 0 and `wake` that is paid for, too,
    and where new machines are cold, `prices` know of their first jobs.
    `mu(t) - mu(s) - bridged(t - s)` is convex in both within each cell, so it is enough that this is so at the
    points. Also which point of `wish` each value comes from.
    """
    low, source = _lowest(wish - grid)
    on = low + grid
    if case.resume == np.inf:
        return on, source
    low, left = _lowest(on - case.stopped * grid)
    back = low + case.stopped * grid + case.resume
    return np.minimum(on, back), np.where(back < on, source[left], source)


def _lowest(values: Reals) -> tuple[Reals, Counts]:
    """The least value so far, and where it last was."""
    low = np.minimum.accumulate(values)
    return low, np.maximum.accumulate(np.where(values == low, np.arange(len(values)), 0))


def prices(case: Case, worth: Worth, window: float) -> Reals:
    """The least price of each job over all starts within `window` of its first: exact, in continuous time."""
    tables = 2 * (window / max(1.0, float(np.diff(worth.grid).min(initial=np.inf))) + 2)
    rows = max(1, int(TOGETHER / tables))
    count = len(case.first)
    parts = [_part(case, at, rows) for at in range(0, count, rows)]
    return np.concatenate([_prices(part, worth, window) for part in parts])


def _part(case: Case, at: int, rows: int) -> Case:
    here = slice(at, at + rows)
    return case._replace(first=case.first[here], run=case.run[here], owned_run=case.owned_run[here])


def _prices(case: Case, worth: Worth, window: float) -> Reals:
    nothing = np.zeros_like(worth.mu)
    least = case.run + _least(case, window, case.run, (worth.grid, worth.mu, worth.mu))
    if case.cold:
        warm = (worth.grid, nothing, worth.mu)
        least = np.minimum(least, case.run + case.wake + _least(case, window, case.run + case.cold, warm))
    if case.owned:
        owned = (worth.grid, -worth.paid, -worth.paid)
        least = np.minimum(least, _least(case, window, case.owned_run, owned))
    return least


def _least(case: Case, window: float, lag: Reals, worth: tuple[Reals, Reals, Reals]) -> Reals:
    """The least over the starts of worth at the start, less worth `lag` later, and the waiting until then.

    That is straight between starts at which the start or the end is a point of the grid.
    """
    grid, before, after = worth
    start = starts(grid, case.first, window, np.zeros_like(lag), lag) if window else case.first[:, None]
    value = np.interp(start, grid, before) - np.interp(start + lag[:, None], grid, after)
    least: Reals = (value + case.waiting * (start - case.first[:, None])).min(axis=1)
    return least


def owned_price(case: Case, worth: Worth) -> float:
    """What all owned machines are paid for the whole time, and what rounding could have added to the prices."""
    reach = float(worth.grid[-1]) + case.wake + float(worth.paid[-1])
    return case.owned * float(worth.paid[-1]) + 16 * len(case.first) * float(np.finfo(float).eps) * reach
