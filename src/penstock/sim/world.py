"""A run in full mode: a history through the hub's own services (hubworld), and what became of it."""

from array import array
from collections import defaultdict
from functools import partial

from penstock.model import outcome as o
from penstock.model.change import Change
from penstock.model.job import JobSpec
from penstock.model.outcome import Outcome
from penstock.model.plan import PlannedJob
from penstock.model.rules import Rules
from penstock.model.trial import Faults, Policy
from penstock.model.units import DAY_MS, Size
from penstock.model.workload import Workload
from penstock.policy.capacity.setting import Ask, is_owned, setting, why_none
from penstock.providers.simulated import Weather
from penstock.sim import misfortune
from penstock.sim.agents import Agent
from penstock.sim.hubworld import ARRIVALS, World
from penstock.sim.meter import Meter
from penstock.sim.record import Record, Sink
from penstock.sim.run import choice

POLL_MS = 60_000
NO_LIMIT_MS = 3650 * DAY_MS
NEEDS_DROPPED = "needs a job that was dropped"


def simulate(
    workload: Workload,
    rules: Rules,
    policy: Policy,
    seed: int = 1,
    faults: Faults | None = None,
    sink: Sink | None = None,
) -> Outcome:
    """What becomes of the workload, as sim.run.simulate says it. `sink` is given all lines at the end."""
    run = FullRun(workload, rules, policy, seed, faults)
    run.go()
    return run.outcome(sink)


class FullRun:
    """One history on one farm. `world` may be looked at, and made to suffer, before `go`. `books`: its ledger is kept."""

    def __init__(
        self,
        workload: Workload,
        rules: Rules,
        policy: Policy,
        seed: int = 1,
        faults: Faults | None = None,
        every_ms: int = 10_000,
        weather: Weather | None = None,
        books: bool = False,
    ) -> None:
        self.workload, self.rules = workload, rules
        out, self.dropped = _dropped(workload, rules, policy)
        self._runs = [row for row in range(workload.jobs) if row not in out]
        begun_ms = min((workload.submitted_ms[row] for row in self._runs), default=0)
        self.world = World(
            policy.reckons(rules), choice(policy), seed, begun_ms, weather or Weather(), every_ms, books
        )
        if faults is not None:
            misfortune.bring(self.world, faults, seed)
        self.world.told, self.world.closed = self._told, self._closed
        self.meter = Meter(rules, begun_ms)
        self._rows: dict[str, int] = {}
        self._unmet = {row: 1 + len(_needs(workload, row)) for row in self._runs}
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        for row in self._runs:
            for need in _needs(workload, row):
                self._children[need].append(row)
        blank = [-1] * workload.jobs
        self.ready_ms, self.first_ms, self.end_ms, self.ran_ms, self.pool = (
            array("q", blank) for _ in range(5)
        )
        self.attempts = array("q", [0] * workload.jobs)
        self._left = set(self._runs)

    def go(self) -> None:
        """To the last end."""
        world = self.world
        world.own()
        world.every(POLL_MS)
        for row in self._runs:
            world.at(self.workload.submitted_ms[row], ARRIVALS, partial(self._submitted, row))
        world.run(lambda: bool(self._left))

    def outcome(self, sink: Sink | None = None) -> Outcome:
        """All there is to say. What is still rented is given back at the last end."""
        ended_ms = max(self.end_ms, default=0)
        ended_ms = max(ended_ms, self.meter.begun_ms)
        for pool, provider in self.world.providers.items():
            self.meter.machines(pool, provider.history(), ended_ms)
        record = Record(self.workload.ids, [pool.name for pool in self.rules.pools], sink)
        lines = self.meter.lines()
        record.take(lines, len(lines[0]))
        sums = self.meter.sums()
        return Outcome(
            self.ready_ms,
            self.first_ms,
            self.end_ms,
            self.ran_ms,
            self.pool,
            self.attempts,
            pools=[pool.name for pool in self.rules.pools],
            owned=[is_owned(pool) for pool in self.rules.pools],
            costs=[one.costs for one in sums],
            work_ms=[one.work_ms for one in sums],
            boots=[one.boots for one in sums],
            resumes=[one.resumes for one in sums],
            peaks=[one.peak for one in sums],
            peak=self.meter.peak(),
            begun_ms=self.meter.begun_ms,
            ended_ms=ended_ms,
            digest=record.text(),
            dropped=self.dropped,
        )

    def _submitted(self, row: int) -> None:
        self.meter.job(self.world.clock.now_ms, o.SUBMIT, row, -1)
        self._met(row)

    def _met(self, row: int) -> None:
        """One thing less that it waits for."""
        self._unmet[row] -= 1
        if self._unmet[row]:
            return
        self.ready_ms[row] = self.world.clock.now_ms
        change, job = _asked(self.workload, row)
        self._rows[self.world.submit(change, job, self.workload.duration_ms[row])] = row

    def _closed(self, build: str) -> None:
        """A job has its verdict; of one that was given up nothing that needs it will ever run."""
        waiting = [self._rows[build]]
        while waiting:
            row = waiting.pop()
            self._left.discard(row)
            waiting += self._children[row] if self.end_ms[row] < 0 else []

    def _told(self, kind: str, build: str, agent: Agent, attempt: int) -> None:
        now_ms, row = self.world.clock.now_ms, self._rows[build]
        if kind == "start":
            self.attempts[row] = attempt
            self.first_ms[row] = now_ms if self.first_ms[row] < 0 else self.first_ms[row]
            self.meter.started(now_ms, row, attempt, agent)
            return
        self.meter.ended(now_ms, row, attempt, agent)
        self.end_ms[row] = now_ms
        self.pool[row] = self.meter.pools.index(agent.pool)
        self.ran_ms[row] = self.world.lasts(row_ms=self.workload.duration_ms[row], pool=agent.pool)
        for child in self._children[row]:
            self._met(child)


def _needs(workload: Workload, row: int) -> list[int]:
    if not len(workload.needs):
        return []
    return list(workload.needs[workload.needs_from[row] : workload.needs_from[row + 1]])


def _dropped(workload: Workload, rules: Rules, policy: Policy) -> tuple[set[int], dict[str, int]]:
    """Rows that can never run, and how many by reason."""
    asks = [_ask(workload, row) for row in range(workload.jobs)]
    islands = setting(rules, choice(policy), asks).ask_islands
    out = {row for row in range(workload.jobs) if islands[row] < 0}
    told: defaultdict[str, int] = defaultdict(int)
    for row in out:
        told[why_none(rules.pools, asks[row])] += 1
    waiting = [row for row in range(workload.jobs) if row not in out]
    while news := [row for row in waiting if row not in out and out.intersection(_needs(workload, row))]:
        out.update(news)
        told[NEEDS_DROPPED] += len(news)
    return out, dict(told)


def _ask(workload: Workload, row: int) -> Ask:
    return Ask(
        workload.platforms[workload.platform[row]],
        workload.classes[workload.klass[row]],
        workload.projects[workload.project[row]],
        max(0, workload.cores[row]),
        max(0, workload.memory_mb[row]),
    )


def _asked(workload: Workload, row: int) -> tuple[Change, PlannedJob]:
    """A change that asks for this job, and the job: nothing of it can be reused, and nothing limits it."""
    ask, name = _ask(workload, row), workload.names[workload.name[row]]
    spec = JobSpec(
        kind="test",
        module=name,
        platform=ask.platform,
        commands=(f"run {workload.ids[row]}",),
        size=Size(ask.cores, ask.memory_mb or None),
        timeout_ms=NO_LIMIT_MS,
        reuse="never",
        klass=ask.klass,
    )
    job = PlannedJob(id=f"{name}:test", kind="test", module=name, platform=ask.platform, needs=(), spec=spec)
    change = Change(
        id=f"row {row}",
        source=f"row {row}",
        klass=ask.klass,
        project=ask.project,
        queue_limit_ms=NO_LIMIT_MS,
    )
    return change, job
