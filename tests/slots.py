"""The cheapest schedule on a grid of time, as a linear or whole-number program for HiGHS.

Machines are stocks: free and on, or stopped; jobs and power states move them. All times are whole slots.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from penstock.reports.limits.market import Rent, Span


@dataclass
class Program:
    """Costs of the variables, which are whole, and rows: what must be equal and what may not be above."""

    cost: list[float]
    whole: list[bool]
    equal: dict[tuple[object, ...], dict[int, float]]
    equals: dict[tuple[object, ...], float]
    below: dict[tuple[object, ...], dict[int, float]]
    belows: dict[tuple[object, ...], float]

    def variable(self, cost: float, whole: bool = False) -> int:
        """A new variable, at least 0."""
        self.cost.append(cost)
        self.whole.append(whole)
        return len(self.cost) - 1

    def rows(self, kind: str) -> tuple[csr_array, np.ndarray]:
        """The rows of one kind as a matrix and its right side."""
        table, right = (self.equal, self.equals) if kind == "equal" else (self.below, self.belows)
        entries = [(i, j, v) for i, key in enumerate(table) for j, v in table[key].items()]
        i, j, v = zip(*entries, strict=True) if entries else ((), (), ())
        shape = (len(table), len(self.cost))
        return csr_array((v, (i, j)), shape=shape), np.array([right.get(key, 0.0) for key in table])


def program(jobs: Span, rent: Rent, slot_ms: int, window: int, more: dict[str, float]) -> Program:
    """Jobs start at slots up to `window` late; `more`: `waiting` for a slot, `late` jobs within `late_window`."""
    made = Program([], [], defaultdict(dict), {}, defaultdict(dict), {})
    price, boot, cold = rent.price * slot_ms, rent.boot_ms // slot_ms, rent.cold_ms // slot_ms
    last = 0
    late = more.get("late", 0)
    for j, (a, d) in enumerate(zip(jobs.submitted_ms // slot_ms, jobs.run_ms // slot_ms, strict=True)):
        made.equals["job", j] = 1.0
        if late:
            z = made.variable(0.0, whole=True)
            made.below["late"][z] = 1.0
            made.below["one", j][z] = 1.0
            made.belows["one", j] = 1.0
        for s in range(a, a + 1 + int(more.get("late_window", window) if late else window)):
            waits = more.get("waiting", 0.0) * (s - a)
            ways = [(price * d, "warm", d), (price * (d + boot + cold), "cold", d + cold)]
            ways += [(0.0, "owned", d)] if rent.owned else []
            for cost, way, length in ways:
                x = made.variable(cost + waits, whole=True)
                made.equal["job", j][x] = 1.0
                last = max(last, s + length)
                if s > a + window:
                    made.below["was late", j][x] = 1.0
                    made.below["was late", j][z] = -1.0
                if way == "owned":
                    for t in range(s, s + length):
                        made.below["owned", t][x] = 1.0
                        made.belows["owned", t] = rent.owned
                    continue
                if way == "warm":
                    made.equal["free", s][x] = made.equal["free", s].get(x, 0.0) - 1.0
                made.equal["free", s + length][x] = made.equal["free", s + length].get(x, 0.0) + 1.0
    if late:
        made.belows["late",] = late
        made.below["late",] = made.below.pop("late")  # type: ignore[call-overload]
    for t in range(int(jobs.submitted_ms.min() // slot_ms), last + 1):
        _stocks(made, rent, slot_ms, t)
    return made


def _stocks(made: Program, rent: Rent, slot_ms: int, t: int) -> None:
    """What happens to machines between slot `t` and the next."""
    price = rent.price * slot_ms
    on, gone = made.variable(price), made.variable(0.0)
    made.equal["free", t] |= {on: -1.0, gone: -1.0}
    made.equal["free", t + 1][on] = 1.0
    if rent.resume_ms is None:
        return
    back = int(rent.resume_ms // slot_ms)
    stop, stopped, called = (
        made.variable(0.0),
        made.variable(rent.stopped * slot_ms),
        made.variable(price * back),
    )
    made.equal["free", t][stop] = -1.0
    made.equal["stopped", t] |= {stop: 1.0, stopped: -1.0, called: -1.0}
    made.equal["stopped", t + 1][stopped] = 1.0
    made.equal["free", t + back][called] = made.equal["free", t + back].get(called, 0.0) + 1.0


def least(made: Program, whole: bool = True) -> float:
    """The least cost, of whole jobs or of parts of them."""
    equal, right = made.rows("equal")
    below, above = made.rows("below")
    if not whole:
        found = linprog(made.cost, below, above, equal, right, method="highs")
        assert found.status == 0, found.message
        return float(found.fun)
    limits = [LinearConstraint(equal, right, right), LinearConstraint(below, -np.inf, above)]
    solved = milp(made.cost, integrality=np.array(made.whole, dtype=int), constraints=limits)
    assert solved.status == 0, solved.message
    return float(solved.fun)
