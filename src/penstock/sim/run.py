"""One run: a history on a farm, under one policy, from the first submission to the last end."""

import sys
from array import array
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from penstock.model.outcome import Outcome, PoolCosts
from penstock.model.rules import Pool, Rules
from penstock.model.trial import Faults, Policy
from penstock.model.units import charge_micros
from penstock.model.workload import Workload
from penstock.policy.capacity import changes
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.preset_numbers import PRESET_NUMBERS, PRESETS
from penstock.policy.capacity.setting import Choice, is_owned, machines_of
from penstock.sim import compiling
from penstock.sim.engine import loop, machines, text
from penstock.sim.engine import world as w
from penstock.sim.laying import Laid, Trial, lay
from penstock.sim.record import Record, Sink
from penstock.sim.tables import Tables, more_machines

PLAIN_JOBS = 3000
PACKED_JOBS = 300
"""Up to so many jobs a run is over sooner than it would be compiled, and a preset's than what was compiled before would be
loaded; where jobs are packed that is loaded sooner."""


def simulate(
    workload: Workload,
    rules: Rules,
    policy: Policy,
    seed: int = 1,
    faults: Faults | None = None,
    sink: Sink | None = None,
) -> Outcome:
    """What becomes of the workload. `sink` is given the lines of `--events` as they come, whole lines each time."""
    trial = Trial(choice(policy), seed, faults or Faults())
    engine = Engine(workload.jobs, trial.choice.preset != 0)
    laid = lay(workload, policy.reckons(rules), trial, Tables(engine.compiled))
    write = partial(engine.call, text, "write") if engine.compiled else None
    record = Record(workload.ids, [pool.name for pool in rules.pools], sink, write)
    run = Run(engine, laid, record)
    run.open(rules)
    run.go()
    return _outcome(run, workload, rules)


def choice(policy: Policy) -> Choice:
    """The rule of a policy by its name, with its numbers. Raises KeyError for a preset or a number that there is not."""
    number = {name: at for at, name in enumerate(PRESETS)}[policy.preset]
    held = {option: value for option, value, _ in PRESET_NUMBERS.get(policy.preset, ())}
    for option, value in policy.numbers.items():
        held[{name: name for name in held}[option]] = value
    return Choice(number, tuple(held.values()))


class Engine:
    """The modules of the loop, as they are or compiled; equal to the byte in what they do."""

    def __init__(self, jobs: int, preset: bool = True) -> None:
        self.sources = compiling.reached(loop, text)
        kept = compiling.is_cached(self.sources)
        self.compiled = _wanted(jobs, PACKED_JOBS if kept and not preset else PLAIN_JOBS)
        self.modules: dict[str, ModuleType] = self.sources
        self.hesitates = self.compiled and not kept
        if self.compiled:
            self.modules = compiling.compiled(self.sources)

    def call(self, module: ModuleType, name: str, *given: Any) -> Any:
        """Call a function of the set."""
        if self.compiled:
            from penstock.sim.held import Held

            given = tuple(Held(part) if isinstance(part, c.Farm | w.World) else part for part in given)
        return getattr(self.modules[module.__name__], name)(*given)


def _wanted(jobs: int, few: int) -> bool:
    import os

    forced = os.environ.get("PENSTOCK_COMPILED", "")
    if forced in ("0", "1"):
        return forced == "1"
    return jobs > few


class Run:
    """A world that goes on, and is made roomier where it has to be."""

    def __init__(self, engine: Engine, laid: Laid, record: Record) -> None:
        self.engine, self.record = engine, record
        self.farm, self.world, self.shape, self.dropped = laid
        self.tables = Tables(engine.compiled)

    def open(self, rules: Rules) -> None:
        """Owned machines are there from the start."""
        now_ms = self.world.head[w.NOW_MS]
        for row, pool in enumerate(rules.pools):
            for _ in range(machines_of(pool) if is_owned(pool) else 0):
                machine = self.engine.call(changes, "owned", self.farm, row, now_ms)
                self.engine.call(machines, "appear", self.farm, self.world, machine)

    def go(self) -> None:
        """To the end."""
        if self.engine.hesitates:
            print("penstock: compiling the simulator, about a minute, once for this machine", file=sys.stderr)
        self._repeat("run")
        self._repeat("close")
        self._drain()
        if self.engine.hesitates:
            compiling.remember(self.engine.sources)

    def _repeat(self, name: str) -> None:
        while self.engine.call(loop, name, self.farm, self.world) == w.MORE:
            self._drain()
            self._make_room()

    def _drain(self) -> None:
        self.record.take(self.world.lines, int(self.world.head[w.LINES]))
        self.world.head[w.LINES] = 0

    def _make_room(self) -> None:
        events = len(self.world.heap[0])
        if self.world.head[w.EVENTS] + 1024 > events:
            self._longer(heap=2 * events)
        if loop.rows_wanted(self.farm, self.world) > self.farm.head[c.HEAD_FREE_ROWS]:
            rows = len(self.farm.free_rows)
            wanted = loop.rows_wanted(self.farm, self.world) + rows
            while rows < wanted:
                rows *= 2
            self._more_machines(rows)

    def _more_machines(self, rows: int) -> None:
        self.shape = self.shape._replace(machines=rows)
        self.farm = more_machines(self.tables, self.farm, self.shape)
        self._longer(own=rows, lanes=rows * self.shape.width)

    def _longer(self, **rows: int) -> None:
        blanks = {"heap": [0] * w.HEAP_FIELDS, "own": [0] * w.OWN_FIELDS, "lanes": [-1, 0]}
        self.world = self.world._replace(
            **{
                name: self.tables.longer(getattr(self.world, name), blanks[name], count)
                for name, count in rows.items()
            }
        )


def _outcome(run: Run, workload: Workload, rules: Rules) -> Outcome:
    head, sums, jobs = run.world.head, run.world.sums, workload.jobs
    begun_ms = _begun_ms(run.world, workload)
    ended_ms = max(begun_ms, int(head[w.LAST_END_MS]))
    truth = [_column(run.world.truth[field], jobs) for field in range(w.TRUE_UNMET)]
    counts = [[int(n) for n in sums[field][: len(rules.pools)]] for field in COUNTED]
    return Outcome(
        ready_ms=truth[w.TRUE_READY_MS],
        first_start_ms=truth[w.TRUE_FIRST_MS],
        end_ms=truth[w.TRUE_END_MS],
        ran_ms=truth[w.TRUE_RAN_MS],
        pool=truth[w.TRUE_POOL],
        attempts=_column(run.farm.jobs[c.JOB_TRIES], jobs),
        pools=[pool.name for pool in rules.pools],
        owned=[is_owned(pool) for pool in rules.pools],
        costs=[_costs(pool, sums, row, ended_ms - begun_ms) for row, pool in enumerate(rules.pools)],
        work_ms=counts[0],
        boots=counts[1],
        resumes=counts[2],
        peaks=counts[3],
        peak=int(head[w.PEAK]),
        begun_ms=begun_ms,
        ended_ms=ended_ms,
        digest=run.record.text(),
        dropped=run.dropped,
    )


COUNTED = w.SUM_WORK_MS, w.SUM_BOOTS, w.SUM_RESUMES, w.SUM_PEAK


def _begun_ms(world: w.World, workload: Workload) -> int:
    """The first submission of a job that can run."""
    unmet = np.asarray(world.truth[w.TRUE_UNMET])[: workload.jobs]
    kept = np.flatnonzero(unmet < w.GONE_BY)
    return workload.submitted_ms[int(kept[0])] if len(kept) else 0


def _column(column: Any, jobs: int) -> "array[int]":
    made = array("q")
    made.frombytes(memoryview(column)[:jobs].cast("B"))
    return made


def _costs(pool: Pool, sums: Any, row: int, span_ms: int) -> PoolCosts:
    if is_owned(pool):
        return PoolCosts(owned=charge_micros(pool.price_per_hour_micros, machines_of(pool) * span_ms))
    price = pool.price_per_hour_micros
    return PoolCosts(
        running=int(sums[w.SUM_RUNNING][row]),
        stopped=int(sums[w.SUM_STOPPED][row]),
        idle=charge_micros(price, int(sums[w.SUM_IDLE_MS][row])),
        lifecycle=charge_micros(price, int(sums[w.SUM_LIFECYCLE_MS][row])),
    )
