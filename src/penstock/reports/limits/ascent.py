"""Which way is up: how strongly each job goes for each machine and start, and steps of a fitting length."""

from typing import NamedTuple

import numpy as np

from penstock.reports.limits.dual import Case, Worth
from penstock.reports.limits.grid import Place, Short, Table, place
from penstock.reports.limits.market import Reals

FORGET, FORGET_SQUARES, STILL = 0.8, 0.98, 0.5
"""Adam's (Kingma and Ba, 2015): how much is kept of the gradient, of its square, and what is added to its size."""


class Choice(NamedTuple):
    """One way to run each job, at each of some starts: what it costs beside the worths at start and end."""

    begin: Place | None
    end: Place
    cost: Short


class Ways(NamedTuple):
    """On a rented machine, as the first job of a new one, on an owned one."""

    warm: Choice
    cold: Choice | None
    owned: Choice | None


def ways_of(case: Case, grid: Reals, start: Table) -> Ways:
    """All that a job can do that begins at one of `start`."""
    waited = case.waiting * (start - case.first[:, None])
    begin = place(grid, start)

    def choice(lag: Reals, cost: Reals, warm: bool = True) -> Choice:
        least = (waited + cost[:, None]).astype(np.float32)
        return Choice(begin if warm else None, place(grid, start + lag[:, None]), least)

    return Ways(
        choice(case.run, case.run),
        choice(case.run + case.cold, case.run + case.wake, warm=False) if case.cold else None,
        choice(case.owned_run, np.zeros_like(case.run)) if case.owned else None,
    )


class Pull(NamedTuple):
    """Softened prices of the jobs, and how strongly each goes for each way and start."""

    prices: Short
    weights: Short


def pull(ways: Ways, worth: Worth, temperature: float) -> Pull:
    """What the jobs go for; the hotter, the more of them also for what is not cheapest."""
    # Single precision does for a direction and takes half the time; but the sum of all prices so far is too large for it.
    mu = worth.mu.astype(np.float32)
    tables = [ways.warm.cost + _gain(ways.warm, mu)]
    if ways.cold:
        tables.append(ways.cold.cost + _gain(ways.cold, mu))
    if ways.owned:
        tables.append(ways.owned.cost - _gain(ways.owned, worth.paid))
    table = np.concatenate(tables, axis=1, dtype=np.float32, casting="same_kind")
    least = table.min(axis=1, keepdims=True)
    np.subtract(least, table, out=table)
    table /= np.float32(temperature)
    np.exp(table, out=table)
    table /= table.sum(axis=1, keepdims=True)
    return Pull(least[:, 0], table)


def _gain(choice: Choice, values: Reals | Short) -> Table | Short:
    ended = choice.end.read(values)
    return choice.begin.read(values) - ended if choice.begin else -ended


def slopes(ways: Ways, weights: Short, points: int) -> tuple[Reals, Reals]:
    """How the sum of prices changes with the worth at each point: `mu`, and the integral of `nu`."""
    mu, paid, at = np.zeros(points), np.zeros(points), 0
    for choice, slope in ((ways.warm, mu), (ways.cold, mu), (ways.owned, paid)):
        if choice is None:
            continue
        part = weights[:, at : at + choice.cost.shape[1]]
        at += choice.cost.shape[1]
        slope -= choice.end.spread(part)
        if choice.begin:
            slope += choice.begin.spread(part)
    return mu, -paid


class Climb:
    """Values between 0 and a ceiling that go up a gradient in steps of their own length (Adam)."""

    def __init__(self, values: Reals, unit: float, ceiling: float) -> None:
        self.values, self.unit, self.ceiling = values, unit, ceiling
        self.mean, self.square, self.steps = np.zeros_like(values), np.zeros_like(values), 0

    def step(self, slope: Reals, rate: float) -> None:
        """One step; `rate` in units."""
        self.steps += 1
        self.mean += (1 - FORGET) * (slope - self.mean)
        self.square += (1 - FORGET_SQUARES) * (slope * slope - self.square)
        mean = self.mean / (1 - FORGET**self.steps)
        size = np.sqrt(self.square / (1 - FORGET_SQUARES**self.steps))
        self.values = np.clip(self.values + self.unit * rate * mean / (size + STILL), 0.0, self.ceiling)
