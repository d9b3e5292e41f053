"""The event loop: one step after another, until everything has ended or Python has to make room.

Within one instant ends come first, then machines that are ready, suspended or gone, then faults, then arrivals, then
decisions by island, each followed by what it ordered. A step is small, so that the loop can be left and entered
again between any two.
"""

from penstock.policy.capacity import decide
from penstock.policy.capacity.columns import (
    ABSENT,
    ACT_JOB,
    ACT_KIND,
    ACT_LANE,
    ACT_MACHINE,
    BOOT,
    DELETE,
    HEAD_ACTS,
    HEAD_FREE_ROWS,
    ISLAND_PENDING,
    ISLAND_RUNNING,
    ISLAND_WAKE_MS,
    LANE_JOB,
    MACHINE_POOL,
    MACHINE_STATE,
    NEVER_MS,
    POOL_OWNED,
    RESUME,
    RULE_ISLANDS,
    RULE_PROMISE_MS,
    START,
    SUSPEND,
    Farm,
)
from penstock.sim.engine import heap, jobs, machines, silence
from penstock.sim.engine.world import (
    ACT_AT,
    BEFALLS,
    CLOSING,
    DONE,
    EVENTS,
    FAULT_UNTIL_MS,
    FROZEN_MS,
    GIVES_UP,
    HAPPENED_MS,
    HEAP_MS,
    HEAP_ORDER,
    HEAP_WHAT,
    JOB_ENDS,
    JOBS,
    LANE_ORDER,
    LAST_END_MS,
    LEFT,
    LINES,
    MORE,
    MOVED_MS,
    NEXT_JOB,
    NOW_MS,
    OWN_ORDER,
    OWN_RECLAIM,
    READY,
    ROW_STEP,
    SILENCE,
    STRIKES,
    STUCK,
    TIMER_MS,
    TIMER_ORDER,
    TIMER_TOUCHED,
    TOUCHED,
    WAKES,
    WIDEST,
    World,
)
from penstock.sim.engine.world import DELETED as IS_DELETED
from penstock.sim.engine.world import HALTED as IS_HALTED

PATIENCE_MS, PROMISES = 7 * 86_400_000, 16
"""After a week, and as many times the promise as nothing is late on purpose, a job that nothing comes for never starts."""
SPARE_ROWS = 64
"""Rows for machines beyond those that could be wanted at once: one for each job that waits or runs."""


def run(farm: Farm, world: World) -> int:
    """Go on until the last job has ended (DONE), something is full (MORE), or nothing will ever happen (STUCK)."""
    while world.head[LEFT] > 0:
        if _full(farm, world):
            return MORE
        if _step(farm, world) == 0:
            return STUCK
    return DONE


def close(farm: Farm, world: World) -> int:
    """The run is over: give back what is rented. DONE or MORE."""
    head = world.head
    head[NOW_MS] = head[HAPPENED_MS] = max(head[LAST_END_MS], head[NOW_MS])
    while head[CLOSING] < len(farm.machines[MACHINE_STATE]):
        if head[LINES] + head[WIDEST] > len(world.lines[0]):
            return MORE
        machine = head[CLOSING]
        rented = farm.pools[POOL_OWNED][farm.machines[MACHINE_POOL][machine]] == 0
        if rented and farm.machines[MACHINE_STATE][machine] != ABSENT:
            machines.give_back(farm, world, machine)
        head[CLOSING] = machine + 1
    return DONE


def rows_wanted(farm: Farm, world: World) -> int:
    """How many rows for new machines the decisions of this instant may want."""
    wanted = SPARE_ROWS
    for island in range(farm.rules[RULE_ISLANDS]):
        if world.timers[TIMER_TOUCHED][island]:
            wanted += farm.islands[ISLAND_PENDING][island] + farm.islands[ISLAND_RUNNING][island]
    return wanted


def _full(farm: Farm, world: World) -> bool:
    """Whether a step might not find room."""
    head = world.head
    if head[LINES] + head[WIDEST] > len(world.lines[0]) or head[EVENTS] + 8 > len(world.heap[0]):
        return True
    if head[TOUCHED] == 0 or head[ACT_AT] < farm.head[HEAD_ACTS]:
        return False
    return rows_wanted(farm, world) > farm.head[HEAD_FREE_ROWS]


def _step(farm: Farm, world: World) -> int:
    """One thing; 0 when there is nothing left to happen."""
    head, now_ms = world.head, world.head[NOW_MS]
    if head[ACT_AT] < farm.head[HEAD_ACTS]:
        _carry_out(farm, world, head[ACT_AT])
        head[ACT_AT] += 1
        return 1
    if head[EVENTS] > 0 and world.heap[HEAP_MS][0] <= now_ms:
        _happen(farm, world)
        return 1
    if head[NEXT_JOB] < head[JOBS] and world.submitted_ms[head[NEXT_JOB]] <= now_ms:
        head[NEXT_JOB] += 1
        head[MOVED_MS] = now_ms
        jobs.submit(farm, world, head[NEXT_JOB] - 1)
        return 1
    if head[TOUCHED] > 0 and now_ms >= head[FROZEN_MS]:
        _decide(farm, world)
        return 1
    return _advance(farm, world)


def _advance(farm: Farm, world: World) -> int:
    """To the next moment at which anything happens, but not into the time that the hub is away."""
    head = world.head
    next_ms = NEVER_MS
    if head[EVENTS] > 0:
        next_ms = world.heap[HEAP_MS][0]
    if head[NEXT_JOB] < head[JOBS]:
        next_ms = min(next_ms, world.submitted_ms[head[NEXT_JOB]])
    if head[TOUCHED] > 0:
        next_ms = min(next_ms, head[FROZEN_MS])
    if next_ms >= NEVER_MS or _is_stuck(farm, world, next_ms):
        return 0
    head[NOW_MS] = max(next_ms, head[FROZEN_MS])
    return 1


def _is_stuck(farm: Farm, world: World, now_ms: int) -> bool:
    """Whether nothing has moved for so long that nothing will: a policy may look, order and be refused for ever."""
    patience_ms = PATIENCE_MS + PROMISES * farm.rules[RULE_PROMISE_MS]
    if now_ms - world.head[MOVED_MS] <= patience_ms or world.head[NEXT_JOB] < world.head[JOBS]:
        return False
    for island in range(farm.rules[RULE_ISLANDS]):
        if farm.islands[ISLAND_RUNNING][island] > 0:
            return False
    for fault in range(len(world.faults[FAULT_UNTIL_MS])):
        until_ms = world.faults[FAULT_UNTIL_MS][fault]
        if until_ms < NEVER_MS and now_ms - until_ms <= patience_ms:
            return False
    return True


def _happen(farm: Farm, world: World) -> None:
    """The first event of the heap, unless what it was about came otherwise."""
    head = world.head
    what, order = world.heap[HEAP_WHAT][0], world.heap[HEAP_ORDER][0]
    head[HAPPENED_MS] = world.heap[HEAP_MS][0]
    kind, row = what // ROW_STEP, what % ROW_STEP
    heap.drop(world)
    if kind == JOB_ENDS:
        head[MOVED_MS] = head[NOW_MS]
        if world.lanes[LANE_ORDER][row] == order and not silence.put_off(farm, world, row):
            jobs.end(farm, world, row, farm.lanes[LANE_JOB][row])
    elif kind == WAKES:
        _wake(farm, world, row, order)
    elif kind == BEFALLS:
        silence.befall(farm, world, row)
    elif kind == STRIKES:
        if world.own[OWN_RECLAIM][row] == order:
            machines.reclaim(farm, world, row)
    elif world.own[OWN_ORDER][row] == order:
        _turned(farm, world, kind, row)


def _turned(farm: Farm, world: World, kind: int, machine: int) -> None:
    """A machine's coming, suspending or deleting has ended."""
    if kind == READY:
        machines.ready(farm, world, machine)
    elif kind == IS_HALTED:
        machines.halted(farm, world, machine)
    elif kind == IS_DELETED:
        machines.gone(farm, world, machine)
    elif kind == GIVES_UP:
        machines.give_up(farm, world, machine)
    elif kind == SILENCE:
        silence.look(farm, world, machine)


def _wake(farm: Farm, world: World, island: int, order: int) -> None:
    """An island's timer; it may have been put off meanwhile."""
    if world.timers[TIMER_ORDER][island] != order:
        return
    world.timers[TIMER_MS][island] = NEVER_MS
    if farm.islands[ISLAND_WAKE_MS][island] <= world.head[NOW_MS]:
        jobs.touch(world, island)
    else:
        _set_timer(farm, world, island)


def _set_timer(farm: Farm, world: World, island: int) -> None:
    """One timer an island, never later than its wake; not for this instant, which has been decided."""
    wake_ms = farm.islands[ISLAND_WAKE_MS][island]
    if wake_ms >= NEVER_MS:
        return
    wake_ms = max(wake_ms, world.head[NOW_MS] + 1)
    farm.islands[ISLAND_WAKE_MS][island] = wake_ms
    if wake_ms < world.timers[TIMER_MS][island]:
        world.timers[TIMER_MS][island] = wake_ms
        world.timers[TIMER_ORDER][island] = heap.push(world, wake_ms, WAKES, island)


def _decide(farm: Farm, world: World) -> None:
    """The first touched island decides."""
    island = 0
    while world.timers[TIMER_TOUCHED][island] == 0:
        island += 1
    world.timers[TIMER_TOUCHED][island] = 0
    world.head[TOUCHED] -= 1
    world.head[HAPPENED_MS] = world.head[NOW_MS]
    world.head[ACT_AT] = 0
    farm.head[HEAD_ACTS] = 0
    decide.decide(farm, island, world.head[NOW_MS])
    _set_timer(farm, world, island)


def _carry_out(farm: Farm, world: World, at: int) -> None:
    """One act of the last decision."""
    world.head[HAPPENED_MS] = world.head[NOW_MS]
    kind, machine = farm.acts[ACT_KIND][at], farm.acts[ACT_MACHINE][at]
    if kind == START:
        world.head[MOVED_MS] = world.head[NOW_MS]
        jobs.start(farm, world, farm.acts[ACT_JOB][at], machine, farm.acts[ACT_LANE][at])
    elif kind == BOOT:
        machines.boot(farm, world, machine)
    elif kind == RESUME:
        machines.resume(farm, world, machine)
    elif kind == SUSPEND:
        machines.suspend(farm, world, machine)
    elif kind == DELETE:
        machines.delete(farm, world, machine)
