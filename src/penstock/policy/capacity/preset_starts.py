"""Which jobs a preset starts where: the first in line on the first machine that has room, owned ones first.

Of rented machines the one used last is taken first, so that the others can be let go. A job that finds no room holds up
those that ask alike, nobody else.
"""

from penstock.policy.capacity import changes, lists
from penstock.policy.capacity.columns import (
    ASK_BLOCKED,
    ASK_FIRST,
    ASK_NEXT,
    HELD,
    IDLE,
    ISLAND_ASKS,
    ISLAND_PENDING,
    JOB_DUE_MS,
    MACHINE_BEFORE,
    MACHINE_FLAGS,
    MACHINE_SINCE_MS,
    NOTICED,
    OPEN,
    POOL_OWNED,
    RULE_POOLS,
    Farm,
)


def start(farm: Farm, island: int, now_ms: int, why: int) -> None:
    """Start all jobs that can start, wherever it is."""
    if farm.islands[ISLAND_PENDING][island] > 0:
        _start(farm, island, now_ms, why, 1)


def start_owned(farm: Farm, island: int, now_ms: int, why: int, kept: int) -> None:
    """Start all jobs that can start on owned machines but `kept`, which has the most free cores and waits for more."""
    flags = farm.machines[MACHINE_FLAGS]
    if kept >= 0:
        flags[kept] |= HELD
    _start(farm, island, now_ms, why, 0)
    if kept >= 0:
        flags[kept] -= HELD


def _start(farm: Farm, island: int, now_ms: int, why: int, rented: int) -> None:
    _unblock(farm, island)
    ask = _first_in_line(farm, island)
    while ask >= 0:
        machine = _machine(farm, ask, rented)
        if machine < 0:
            farm.asks[ASK_BLOCKED][ask] = 1
        else:
            changes.start(farm, farm.asks[ASK_FIRST][ask], machine, now_ms, why)
        ask = _first_in_line(farm, island)


def _unblock(farm: Farm, island: int) -> None:
    ask = farm.islands[ISLAND_ASKS][island]
    while ask >= 0:
        farm.asks[ASK_BLOCKED][ask] = 0
        ask = farm.asks[ASK_NEXT][ask]


def _first_in_line(farm: Farm, island: int) -> int:
    """The ask whose first job was there first, of those that may still find room; -1 when there is none."""
    best, first = -1, -1
    ask = farm.islands[ISLAND_ASKS][island]
    while ask >= 0:
        job = farm.asks[ASK_FIRST][ask]
        if job >= 0 and farm.asks[ASK_BLOCKED][ask] == 0 and (best < 0 or _before(farm, job, first)):
            best, first = ask, job
        ask = farm.asks[ASK_NEXT][ask]
    return best


def _before(farm: Farm, job: int, other: int) -> bool:
    due = farm.jobs[JOB_DUE_MS]
    return due[job] < due[other] or (due[job] == due[other] and job < other)


def _machine(farm: Farm, ask: int, rented: int) -> int:
    """Where the ask's first job starts: -1 when no machine has room for it now. `rented` 0: owned ones only."""
    best = -1
    since = farm.machines[MACHINE_SINCE_MS]
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.suits[ask][pool] == 0 or (rented == 0 and farm.pools[POOL_OWNED][pool] == 0):
            continue
        machine = _in_pool(farm, pool, ask)
        if machine >= 0 and farm.pools[POOL_OWNED][pool]:
            return machine
        if machine >= 0 and (best < 0 or since[machine] > since[best]):
            best = machine
    return best


def _in_pool(farm: Farm, pool: int, ask: int) -> int:
    """The machine of the pool that was used last, of those with room; one that runs something goes first."""
    machine = _with_room(farm, lists.last(farm, pool, OPEN), ask)
    return machine if machine >= 0 else _with_room(farm, lists.last(farm, pool, IDLE), ask)


def _with_room(farm: Farm, machine: int, ask: int) -> int:
    while machine >= 0:
        barred = farm.machines[MACHINE_FLAGS][machine] & (NOTICED | HELD)
        if barred == 0 and changes.room(farm, machine, ask):
            return machine
        machine = farm.machines[MACHINE_BEFORE][machine]
    return -1
