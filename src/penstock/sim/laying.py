"""From a history and a farm's rules to columns: who asks for what, what each job needs, what is there at the start."""

from typing import Any, NamedTuple

import numpy as np

from penstock.model.rules import Pool, Rules
from penstock.model.trial import Faults
from penstock.model.workload import Workload
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import reserve
from penstock.policy.capacity.setting import (
    Ask,
    Choice,
    Setting,
    fill,
    is_owned,
    machines_of,
    merged,
    setting,
    shape,
    why_none,
)
from penstock.sim.engine import world as w
from penstock.sim.engine.jobs import touch
from penstock.sim.faults import put
from penstock.sim.quantiles import exponential, lognormal_ms
from penstock.sim.tables import Tables, empty

LINES = 65_536
FIRST_ROWS = 256
NEEDS_DROPPED = "needs a job that was dropped"


class Trial(NamedTuple):
    """What one run is made with, beside a history and a farm."""

    choice: Choice
    seed: int
    faults: Faults


class Laid(NamedTuple):
    """A world that can begin. `dropped`: how many jobs will never run, by reason."""

    farm: c.Farm
    world: w.World
    shape: c.Shape
    dropped: dict[str, int]


def lay(workload: Workload, rules: Rules, trial: Trial, tables: Tables) -> Laid:
    """Columns of everything; nothing has happened yet."""
    asks, of_jobs = asks_of(workload)
    done = setting(rules, trial.choice, asks)
    island = np.asarray(done.ask_islands, np.int64)[of_jobs] if len(asks) else of_jobs
    names, count = _names(workload, island)
    machines = sum(machines_of(pool) for pool in rules.pools if is_owned(pool)) + FIRST_ROWS
    seen, rows = merged(done)
    form = shape(seen, workload.jobs, machines, count)
    farm = empty(tables, form)
    fill(farm, seen)
    farm.head[c.HEAD_JOBS] = workload.jobs
    if workload.jobs:
        c_jobs = farm.jobs
        _copy(c_jobs[c.JOB_ASK], np.asarray(rows, np.int64)[of_jobs])
        _copy(c_jobs[c.JOB_NAME], names)
        _copy(farm.names[c.NAME_ISLAND], _islands_of_names(names, island, count), count)
    unmet, children_from, children = waiting_of(workload)
    dropped = _dropped(workload, done, of_jobs, island, unmet)
    world = _world(workload, rules, form, tables)
    _copy(world.truth[w.TRUE_UNMET], unmet)
    world = world._replace(children_from=tables.column(children_from), children=tables.column(children))
    _head(world, workload, trial.seed, int((unmet < w.GONE_BY).sum()))
    for number in range(form.islands):
        if reserve.has_least(farm, number):
            touch(world, number)
    world = put(farm, world, rules, trial.faults, tables)
    return Laid(farm, world, form, dropped)


def _copy(column: Any, values: Any, count: int | None = None) -> None:
    view = np.frombuffer(column, np.int64) if not isinstance(column, np.ndarray) else column
    view[: len(values) if count is None else count] = values


def _factor(columns: list[Any]) -> tuple[Any, Any]:
    """For rows of columns: one row of each kind, and for every row the number of its kind."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values = np.asarray(column, np.int64)
        span = int(values.max()) + 2 if len(values) else 1
        if span * (int(key.max()) + 1 if len(key) else 1) >= 2**62:
            key = np.unique(key, return_inverse=True)[1]
        key = key * span + values
    _, first, kinds = np.unique(key, return_index=True, return_inverse=True)
    return first, kinds.astype(np.int64)


def asks_of(workload: Workload) -> tuple[list[Ask], Any]:
    """What jobs ask for, each once, and the number of it for every job."""
    if not workload.jobs:
        return [], np.zeros(0, np.int64)
    wanted = workload.platform, workload.klass, workload.project, workload.cores, workload.memory_mb
    first, kinds = _factor(list(wanted))
    return [_ask(workload, row) for row in first.tolist()], kinds


def _ask(workload: Workload, row: int) -> Ask:
    return Ask(
        workload.platforms[workload.platform[row]],
        workload.classes[workload.klass[row]],
        workload.projects[workload.project[row]],
        max(0, workload.cores[row]),
        max(0, workload.memory_mb[row]),
    )


def _names(workload: Workload, island: Any) -> tuple[Any, int]:
    """A row of durations for each name on each platform; jobs without a name share one on each island."""
    if not workload.jobs:
        return np.zeros(0, np.int64), 0
    name = np.asarray(workload.name, np.int64)
    blank = np.array([text == "" for text in workload.names] or [False])[name]
    platform = np.where(blank, 0, np.asarray(workload.platform, np.int64) + 1)
    first, kinds = _factor([np.where(blank, 0, name + 1), platform, island + 1])
    return kinds, len(first)


def _islands_of_names(names: Any, island: Any, count: int) -> Any:
    found = np.zeros(count, np.int64)
    found[names] = np.maximum(island, 0)
    return found


def waiting_of(workload: Workload) -> tuple[Any, Any, Any]:
    """How many things each job waits for, its submission one of them; and the jobs that need it."""
    jobs = workload.jobs
    if not len(workload.needs):
        return np.ones(jobs, np.int64), np.zeros(jobs + 1, np.int64), np.zeros(0, np.int64)
    begin = np.asarray(workload.needs_from, np.int64)
    needs = np.asarray(workload.needs, np.int64)
    child = np.repeat(np.arange(jobs), np.diff(begin))
    order = np.argsort(needs, kind="stable")
    children_from = np.concatenate(([0], np.cumsum(np.bincount(needs, minlength=jobs))))
    return np.diff(begin) + 1, children_from, child[order]


def runs_of(first: Any, count: Any) -> Any:
    """first[0], first[0] + 1, ... count[0] of them, then the same from first[1]."""
    begin = np.cumsum(count) - count
    return np.arange(int(count.sum())) + np.repeat(first - begin, count)


def _dropped(workload: Workload, done: Setting, of_jobs: Any, island: Any, unmet: Any) -> dict[str, int]:
    """Mark jobs that can never run, and those that need them; count them by reason."""
    told: dict[str, int] = {}
    out = island < 0
    counts = np.bincount(of_jobs, minlength=len(done.asks))[: len(done.asks)]
    for ask, of_ask, count in zip(done.asks, done.ask_islands, counts, strict=True):
        if of_ask < 0:
            why = why_none(done.rules.pools, ask)
            told[why] = told.get(why, 0) + int(count)
    before = int(out.sum())
    while len(workload.needs) and _spread(workload, out):
        pass
    if int(out.sum()) > before:
        told[NEEDS_DROPPED] = int(out.sum()) - before
    unmet[out] += w.GONE_BY
    return told


def _spread(workload: Workload, out: Any) -> bool:
    """Whoever needs a job that is out is out; whether that was news."""
    begin = np.asarray(workload.needs_from, np.int64)
    child = np.repeat(np.arange(workload.jobs), np.diff(begin))
    hit = child[out[np.asarray(workload.needs, np.int64)]]
    news = bool((~out[hit]).any())
    out[hit] = True
    return news


def _world(workload: Workload, rules: Rules, form: c.Shape, tables: Tables) -> w.World:
    jobs = max(1, workload.jobs)
    sums = tables.table([0] * w.SUM_FIELDS, form.pools)
    timers = tables.table([c.NEVER_MS, -1, 0], form.islands)
    for row, pool in enumerate(rules.pools):
        if not is_owned(pool):
            sums[w.SUM_PRICE][row] = pool.price_per_hour_micros
            sums[w.SUM_STOPPED_PRICE][row] = pool.stopped_price_per_hour_micros or 0
            sums[w.SUM_RECLAIM_PPM][row] = round(pool.reclaim_per_hour * 1_000_000)
    nothing = [0] * w.TRUE_FIELDS
    for field in (w.TRUE_READY_MS, w.TRUE_FIRST_MS, w.TRUE_END_MS, w.TRUE_RAN_MS, w.TRUE_POOL):
        nothing[field] = -1
    return w.World(
        head=tables.column([0] * w.WORLD_FIELDS),
        submitted_ms=tables.column(workload.submitted_ms),
        duration_ms=tables.column(workload.duration_ms),
        truth=tables.table(nothing, jobs),
        children_from=tables.column([0]),
        children=tables.column([0]),
        own=tables.table([0] * w.OWN_FIELDS, form.machines),
        lanes=tables.table([-1, 0], form.machines * form.width),
        sums=sums,
        heap=tables.table([0] * w.HEAP_FIELDS, 1024 + form.machines * (form.width + 2)),
        timers=timers,
        lines=tables.table([0] * w.LINE_FIELDS, LINES + form.width),
        times=_times(rules.pools, tables),
        faults=tables.table([0] * w.FAULT_FIELDS, 1),
    )


def _times(pools: tuple[Pool, ...], tables: Tables) -> Any:
    rows = [lognormal_ms(t or pool.boot) for pool in pools for t in (pool.boot, pool.resume)]
    return tables.rows([*rows, exponential()])


def _head(world: w.World, workload: Workload, seed: int, left: int) -> None:
    head = world.head
    head[w.JOBS], head[w.LEFT], head[w.SEED] = workload.jobs, left, seed
    head[w.NOW_MS] = head[w.HAPPENED_MS] = workload.submitted_ms[0] if workload.jobs else 0
    head[w.WIDEST] = 8 + len(world.lanes[0]) // max(1, len(world.own[0]))
