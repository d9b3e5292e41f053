"""What a run in full mode cost, from what providers did and agents ran: each interval as the quick engine counts it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from penstock.model import outcome as o
from penstock.model.outcome import PoolCosts
from penstock.model.rented import InstanceState
from penstock.model.rules import Pool, Rules
from penstock.model.units import charge_micros
from penstock.policy.capacity.setting import is_owned, machines_of
from penstock.sim.agents import Agent
from penstock.sim.engine.money import paid_ms

History = Mapping[str, tuple[tuple[int, InstanceState], ...]]
_TOLD: dict[InstanceState, int] = {
    "coming": o.RESUME,
    "up": o.UP,
    "stopping": o.SUSPEND,
    "stopped": o.SUSPENDED,
    "going": o.DELETE,
    "gone": o.GONE,
}
_RUNNING: tuple[InstanceState, ...] = ("coming", "up", "stopping", "going")


class Sum(NamedTuple):
    """Of one pool."""

    costs: PoolCosts
    work_ms: int
    boots: int
    resumes: int
    peak: int


class _Stay(NamedTuple):
    """A machine in one state from one moment to another."""

    state: InstanceState
    from_ms: int
    until_ms: int


class Meter:
    """Takes down what happens; `machines` once at the end."""

    def __init__(self, rules: Rules, begun_ms: int) -> None:
        self._rules, self.begun_ms = rules, begun_ms
        self.pools = [pool.name for pool in rules.pools]
        self._lines: list[tuple[int, int, int, int, int, int]] = []
        self._running: dict[tuple[int, int], tuple[int, Agent]] = {}
        self._busy: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._work_ms: defaultdict[str, int] = defaultdict(int)
        self._stays: defaultdict[str, dict[str, list[_Stay]]] = defaultdict(dict)
        self.ended_ms = begun_ms

    def job(self, at_ms: int, kind: int, row: int, attempt: int, agent: Agent | None = None) -> None:
        """Something happened to a job."""
        pool = self.pools.index(agent.pool) if agent else -1
        number = _number(agent.name) if agent else -1
        self._lines.append((at_ms, kind, row, attempt, pool, number))

    def started(self, at_ms: int, row: int, attempt: int, agent: Agent) -> None:
        """An attempt began."""
        self._running[row, attempt] = (at_ms, agent)
        self.job(at_ms, o.START, row, attempt, agent)

    def ended(self, at_ms: int, row: int, attempt: int, agent: Agent) -> None:
        """It ended well."""
        self.job(at_ms, o.END, row, attempt, agent)
        self._stop(self._running.pop((row, attempt)), at_ms)

    def machines(self, pool: str, history: History, ended_ms: int) -> None:
        """What became of all machines of a pool; what is left is given back at the end of the run."""
        self.ended_ms = ended_ms
        for name, changes in sorted(history.items()):
            self._machine(pool, name, list(changes))
        for key in [key for key, (_, agent) in self._running.items() if agent.pool == pool]:
            begun_ms, agent = self._running.pop(key)
            stays = self._stays[pool].get(agent.name, [])
            gone_ms = [stay.until_ms for stay in stays if stay.from_ms <= begun_ms < stay.until_ms]
            self._stop((begun_ms, agent), min(gone_ms, default=ended_ms))

    def lines(self) -> list[Any]:
        """All lines, as columns."""
        ordered = sorted(self._lines, key=lambda line: line[0])
        return (
            [np.array(column, np.int64) for column in zip(*ordered, strict=True)]
            if ordered
            else [np.zeros(0)] * 6
        )

    def sums(self) -> list[Sum]:
        """By pool."""
        return [self._sum(pool) for pool in self._rules.pools]

    def peak(self) -> int:
        """Of all rented machines: the most that were paid as running at once."""
        return _peak(stays for machines in self._stays.values() for stays in machines.values())

    def _stop(self, run: tuple[int, Agent], at_ms: int) -> None:
        begun_ms, agent = run
        self._busy[agent.name].append((begun_ms, at_ms))
        self._work_ms[agent.pool] += at_ms - begun_ms

    def _machine(self, pool: str, name: str, changes: list[tuple[int, InstanceState]]) -> None:
        changes = [change for change in changes if change[0] <= self.ended_ms]
        if changes and changes[-1][1] != "gone":
            if changes[-1][1] != "going":
                changes.append((self.ended_ms, "going"))
            changes.append((self.ended_ms, "gone"))
        for at, (at_ms, state) in enumerate(changes):
            kind = o.REQUEST if at == 0 else _TOLD[state]
            if state == "gone" and changes[at - 1][1] in ("coming", "up"):
                self._lines.append((at_ms, o.RECLAIM, -1, -1, self.pools.index(pool), _number(name)))
            self._lines.append((at_ms, kind, -1, -1, self.pools.index(pool), _number(name)))
        self._stays[pool][name] = [
            _Stay(state, at_ms, changes[at + 1][0]) for at, (at_ms, state) in enumerate(changes[:-1])
        ]

    def _sum(self, pool: Pool) -> Sum:
        work_ms = self._work_ms[pool.name]
        if is_owned(pool):
            span_ms = self.ended_ms - self.begun_ms
            cost = charge_micros(pool.price_per_hour_micros, machines_of(pool) * span_ms)
            return Sum(PoolCosts(owned=cost), work_ms, 0, 0, 0)
        machines = self._stays[pool.name]
        kinds = [stay.state for stays in machines.values() for stay in stays]
        comings = kinds.count("coming")
        return Sum(
            self._costs(pool), work_ms, len(machines), comings - len(machines), _peak(machines.values())
        )

    def _costs(self, pool: Pool) -> PoolCosts:
        price, step_ms = pool.price_per_hour_micros, pool.billing.granularity_ms
        running = stopped = idle_ms = cycle_ms = 0
        for name, stays in self._stays[pool.name].items():
            for from_ms, until_ms in _paid(stays, _RUNNING):
                running += charge_micros(price, paid_ms(until_ms - from_ms, step_ms, pool.billing.minimum_ms))
            for from_ms, until_ms in _paid(stays, ("stopped",)):
                stopped += charge_micros(
                    pool.stopped_price_per_hour_micros or 0, paid_ms(until_ms - from_ms, step_ms, 0)
                )
            up_ms = sum(stay.until_ms - stay.from_ms for stay in stays if stay.state == "up")
            idle_ms += up_ms - _covered(self._busy[name])
            cycle_ms += sum(
                stay.until_ms - stay.from_ms
                for at, stay in enumerate(stays)
                if stay.state in ("coming", "stopping") or (stay.state == "going" and _was_running(stays, at))
            )
        return PoolCosts(
            running=running,
            stopped=stopped,
            idle=charge_micros(price, idle_ms),
            lifecycle=charge_micros(price, cycle_ms),
        )


def _peak(machines: Iterable[list[_Stay]]) -> int:
    """The most machines that were paid as running at once."""
    turns: list[tuple[int, int]] = []
    for stays in machines:
        for from_ms, until_ms in _paid(stays, _RUNNING):
            turns += [(from_ms, 1), (until_ms, -1)]
    count = peak = 0
    for _, turn in sorted(turns):
        count += turn
        peak = max(peak, count)
    return peak


def _paid(stays: list[_Stay], states: tuple[InstanceState, ...]) -> list[tuple[int, int]]:
    """Intervals in which a machine was in one of these states; going counts as what it was before."""
    found: list[tuple[int, int]] = []
    for at, stay in enumerate(stays):
        here = stay.state in states
        if stay.state == "going":
            here = ("stopped" in states) != _was_running(stays, at)
        if here and found and found[-1][1] == stay.from_ms and stay.state != "coming":
            found[-1] = (found[-1][0], stay.until_ms)
        elif here:
            found.append((stay.from_ms, stay.until_ms))
    return found


def _was_running(stays: list[_Stay], at: int) -> bool:
    return at == 0 or stays[at - 1].state != "stopped"


def _covered(spans: list[tuple[int, int]]) -> int:
    """How long at least one of them lasted."""
    total, end_ms = 0, -1
    for from_ms, until_ms in sorted(spans):
        total += max(0, until_ms - max(from_ms, end_ms))
        end_ms = max(end_ms, until_ms)
    return total


def _number(name: str) -> int:
    """The number in a machine's name."""
    return int(name.rpartition("-")[2])
