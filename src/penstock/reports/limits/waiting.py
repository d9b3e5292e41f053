"""LB2 and LB2p: the least that a history costs when every job, or all but a few, may start up to a promise late.

Any worth of machines is a proof (`dual`); here a good one is looked for. The sum over jobs, each at its cheapest start,
is concave in the worths, so going up its gradient ends near the best. The starts' minimum is softened at first, so that
a job pulls at every moment at which it could start; late steps are almost the sum itself. Nothing is drawn by lot.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from penstock.reports.limits.ascent import Climb, Ways, pull, slopes, ways_of
from penstock.reports.limits.dual import Case, Worth, feasible, owned_price, prices
from penstock.reports.limits.grid import covering, starts
from penstock.reports.limits.market import Counts, Reals, Rent, Span

STEPS, STEPS_MAX, STEPS_JOBS = 400, 2000, 1_500_000
"""How many steps are made, at least and at most; few jobs take little time, and more steps, for each."""
SOFT, HARD = 0.05, 0.001
"""Temperature of the minimum at the first and the last step, in parts of the scale."""
FAST, SLOW = 0.08, 0.0015
"""Length of a step, likewise, in parts of the largest worth."""
RENEW = 50
"""After so many steps the worths that were wished for become those that were possible. A wish that others hold down
has no slope of its own; without this the way up ends some per cent too low where new machines are cold."""
DEAREST = 4
"""The most that a machine can be worth, in new machines."""
LOOKS = 8
"""How often the exact value is taken, in the second half of the steps; the best counts."""


class Promise(NamedTuple):
    """Jobs start within `window_ms`; `late` of them (the dearest) only within `late_ms`. `waiting`: the price of a
    millisecond of waiting."""

    window_ms: int
    waiting: float = 0.0
    late: int = 0
    late_ms: int = 0


class Proof(NamedTuple):
    """A limit in parts: `fixed` plus the `prices` of all jobs, less the `late` largest `savings`, in money.

    Limits of markets that share the late jobs are those of their parts together.
    """

    fixed: float
    prices: Reals
    savings: Reals


def total(proofs: list[Proof], late: int) -> float:
    """The limit of several markets together, when `late` jobs of all may be late."""
    savings = np.sort(np.concatenate([np.zeros(0), *(proof.savings for proof in proofs)]))
    sums = sum(proof.fixed + float(proof.prices.sum()) for proof in proofs)
    return max(0.0, sums - float(savings[max(0, len(savings) - late) :].sum()))


def prove(span: Span, rent: Rent, promise: Promise, steps: int | None = None) -> Proof:
    """The best limit that `steps` steps find; without jobs or at no price there is nothing to find."""
    nothing = np.zeros(len(span.run_ms))
    if not len(nothing) or not rent.price:
        return Proof(0.0, nothing, nothing)
    case = _case(span, rent, promise)
    steps = steps or min(STEPS_MAX, max(STEPS, STEPS_JOBS // len(nothing)))
    best = max(_proofs(case, promise, steps), key=lambda proof: total([proof], promise.late))
    return Proof(best.fixed * rent.price, best.prices * rent.price, best.savings * rent.price)


def _case(span: Span, rent: Rent, promise: Promise) -> Case:
    owned_run = span.run_ms if span.owned_ms is None else span.owned_ms
    return Case(
        first=(span.submitted_ms - span.submitted_ms.min()).astype(np.float64),
        run=span.run_ms.astype(np.float64),
        owned_run=owned_run.astype(np.float64),
        window=float(promise.window_ms),
        waiting=promise.waiting / rent.price,
        wake=float(rent.boot_ms + rent.cold_ms),
        cold=float(rent.cold_ms),
        resume=rent.resume / rent.price if rent.stops else np.inf,
        stopped=rent.stopped / rent.price,
        owned=rent.owned,
    )


# The grid ---------------------------------------------------------------------------------------------------

STEP_MS, STEP_MS_MIN = 60_000.0, 15_000.0
"""The distance of points: finer ones find more only when there is much more time to look."""


def _grid(case: Case, reach: float) -> Reals:
    """Points as close as time allows, wherever a job can start or end; its very moments when nobody may wait."""
    last = np.maximum(case.run + case.cold, case.owned_run)
    if not reach:
        moments = (
            case.first,
            case.first + case.run,
            case.first + case.owned_run,
            case.first + case.run + case.cold,
        )
        return np.unique(np.concatenate((*moments, case.first[:1] + 1.0)))
    first = np.concatenate((case.first, case.first + np.minimum(case.run, case.owned_run)))
    until = np.concatenate((case.first, case.first + last)) + reach
    return covering(first, until, max(STEP_MS_MIN, min(STEP_MS, reach / 15), reach / 120))


# Going up ---------------------------------------------------------------------------------------------------

COARSE = 16
"""In how many parts the time is cut in which a late job may start, to find a way up."""


class Ascent:
    """The worths so far, and one step after the other towards better ones."""

    def __init__(self, case: Case, promise: Promise) -> None:
        self.case, self.promise = case, promise
        self.grid = _grid(case, float(max(promise.window_ms, promise.late_ms)))
        self.width = np.diff(self.grid)
        self.scale = max(case.wake, float(case.run.mean()) / 16, 1.0)
        # Where a new machine is cold, one that is not may be worth more: it is free sooner after its first job, too.
        self.mu = Climb(
            np.full(len(self.grid), case.wake), case.wake, case.wake * (DEAREST if case.cold else 1)
        )
        self.nu = Climb(_crowded(case, self.grid), 1.0, np.inf)
        self.late = self._late_ways() if promise.late else None
        self.look(closely=False)

    def look(self, closely: bool) -> None:
        """Let jobs start at points of the grid only, or at all starts that can be cheapest."""
        none = np.zeros_like(self.case.run)
        lags = (none, self.case.run) if closely else (none,)
        start = starts(self.grid, self.case.first, self.case.window, *lags if self.case.window else ())
        self.ways = ways_of(self.case, self.grid, start)

    def _late_ways(self) -> Ways:
        ahead = np.linspace(0.0, self.promise.late_ms, COARSE + 1)
        return ways_of(self.case, self.grid, self.case.first[:, None] + ahead[None, :])

    def worth(self) -> Worth:
        """What has been found."""
        return self._worth()[0]

    def _worth(self) -> tuple[Worth, Counts]:
        mu, source = feasible(self.case, self.grid, self.mu.values)
        return Worth(self.grid, mu, np.append(0.0, np.cumsum(self.nu.values * self.width))), source

    def step(self, part: float) -> None:
        """One step up; `part`: how much of the way is behind us, 0 to 1."""
        worth, source = self._worth()
        mu_slope, paid_slope = self._slopes(worth, self.scale * (SOFT * (1 - part) ** 2 + HARD))
        rate = FAST * (1 - part) ** 1.5 + SLOW
        self.mu.step(np.bincount(source, mu_slope, len(self.grid)).astype(np.float64), rate)
        if self.case.owned:
            # A price at one moment counts in every integral beyond it.
            self.nu.step(np.cumsum(paid_slope[::-1])[::-1][1:] - self.case.owned, rate)

    def _slopes(self, worth: Worth, temperature: float) -> tuple[Reals, Reals]:
        on_time = pull(self.ways, worth, temperature)
        if self.late is None:
            return slopes(self.ways, on_time.weights, len(worth.mu))
        later = pull(self.late, worth, temperature)
        dear = np.zeros(len(self.case.first), dtype=bool)
        dear[np.argsort(later.prices - on_time.prices, kind="stable")[: self.promise.late]] = True
        kept = slopes(self.ways, on_time.weights * ~dear[:, None], len(worth.mu))
        moved = slopes(self.late, later.weights * dear[:, None], len(worth.mu))
        return kept[0] + moved[0], kept[1] + moved[1]


def _crowded(case: Case, grid: Reals) -> Reals:
    """1 in cells in which more jobs would run than there are owned machines, were they spread over their windows."""
    moments = np.concatenate((case.first, case.first + case.owned_run + case.window / 2))
    change = np.repeat([1.0, -1.0], len(case.first))
    cell = np.minimum(np.searchsorted(grid, moments, "right") - 1, len(grid) - 1)
    load = np.cumsum(np.bincount(cell, change, len(grid)))[:-1]
    return np.where(load > case.owned, 1.0, 0.0)


def _proofs(case: Case, promise: Promise, steps: int) -> Iterator[Proof]:
    """What is proved at some of the steps."""
    ascent, every = Ascent(case, promise), max(1, steps // (2 * LOOKS))
    for done in range(steps):
        if done == steps // 2:
            ascent.look(closely=True)
        ascent.step(done / steps)
        if (steps - done - 1) % every == 0 and 2 * done >= steps:
            yield _proof(case, ascent.worth(), promise)
        if done % RENEW == RENEW - 1:
            ascent.mu.values = ascent.worth().mu


def _proof(case: Case, worth: Worth, promise: Promise) -> Proof:
    on_time = prices(case, worth, case.window)
    late = prices(case, worth, float(promise.late_ms)) if promise.late else on_time
    return Proof(-owned_price(case, worth), on_time, np.maximum(0.0, on_time - late))
