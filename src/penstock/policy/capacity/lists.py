"""Lists threaded through the columns: machines by pool and state, pending jobs by deadline. Every step is O(1)."""

from penstock.policy.capacity.columns import (
    ABSENT,
    ASK_FIRST,
    ASK_LAST,
    ASK_MET,
    ASK_NEXT,
    ASK_PENDING,
    ISLAND_ASKS,
    ISLAND_FIRST,
    ISLAND_LAST,
    ISLAND_LATE_FIRST,
    ISLAND_LATE_LAST,
    ISLAND_LATE_PENDING,
    ISLAND_PENDING,
    JOB_AFTER,
    JOB_ASK,
    JOB_ASK_AFTER,
    JOB_ASK_BEFORE,
    JOB_BEFORE,
    JOB_DUE_MS,
    JOB_FLAGS,
    KINDS,
    LATE_OK,
    LIST_COUNT,
    LIST_FIRST,
    LIST_LAST,
    MACHINE_AFTER,
    MACHINE_BEFORE,
    MACHINE_POOL,
    MACHINE_SINCE_MS,
    MACHINE_STATE,
    Column,
    Farm,
    Table,
)


def move(farm: Farm, machine: int, state: int, now_ms: int) -> None:
    """The machine is in `state` from now on: last in that list of its pool, in no list when ABSENT."""
    machines = farm.machines
    pool = machines[MACHINE_POOL][machine]
    if machines[MACHINE_STATE][machine] != ABSENT:
        _unlink(farm, pool * KINDS + machines[MACHINE_STATE][machine], machine)
    machines[MACHINE_STATE][machine] = state
    machines[MACHINE_SINCE_MS][machine] = now_ms
    if state != ABSENT:
        _append(farm, pool * KINDS + state, machine)


def count(farm: Farm, pool: int, state: int) -> int:
    """Machines of the pool in this state."""
    return farm.lists[LIST_COUNT][pool * KINDS + state]


def first(farm: Farm, pool: int, state: int) -> int:
    """The one that has been in this state for longest, -1 when there is none; go on with MACHINE_AFTER."""
    return farm.lists[LIST_FIRST][pool * KINDS + state]


def last(farm: Farm, pool: int, state: int) -> int:
    """The one that came into this state last, -1 when there is none; go on with MACHINE_BEFORE."""
    return farm.lists[LIST_LAST][pool * KINDS + state]


def _append(farm: Farm, row: int, machine: int) -> None:
    tail = farm.lists[LIST_LAST][row]
    farm.machines[MACHINE_BEFORE][machine] = tail
    farm.machines[MACHINE_AFTER][machine] = -1
    if tail < 0:
        farm.lists[LIST_FIRST][row] = machine
    else:
        farm.machines[MACHINE_AFTER][tail] = machine
    farm.lists[LIST_LAST][row] = machine
    farm.lists[LIST_COUNT][row] += 1


def _unlink(farm: Farm, row: int, machine: int) -> None:
    _close_gap(farm.machines, MACHINE_BEFORE, MACHINE_AFTER, machine)
    if farm.lists[LIST_FIRST][row] == machine:
        farm.lists[LIST_FIRST][row] = farm.machines[MACHINE_AFTER][machine]
    if farm.lists[LIST_LAST][row] == machine:
        farm.lists[LIST_LAST][row] = farm.machines[MACHINE_BEFORE][machine]
    farm.lists[LIST_COUNT][row] -= 1


def _close_gap(table: Table, before: int, after: int, row: int) -> None:
    if table[before][row] >= 0:
        table[after][table[before][row]] = table[after][row]
    if table[after][row] >= 0:
        table[before][table[after][row]] = table[before][row]


def wait(farm: Farm, island: int, job: int) -> None:
    """The job joins the pending ones of its island, by deadline, behind those of the same deadline.

    Deadlines nearly always come in order, so the place is looked for from the end.
    """
    late = farm.jobs[JOB_FLAGS][job] & LATE_OK
    first_field, last_field = (ISLAND_LATE_FIRST, ISLAND_LATE_LAST) if late else (ISLAND_FIRST, ISLAND_LAST)
    jobs, due = farm.jobs, farm.jobs[JOB_DUE_MS]
    before = farm.islands[last_field][island]
    while before >= 0 and due[before] > due[job]:
        before = jobs[JOB_BEFORE][before]
    after = farm.islands[first_field][island] if before < 0 else jobs[JOB_AFTER][before]
    jobs[JOB_BEFORE][job], jobs[JOB_AFTER][job] = before, after
    _join(jobs, farm.islands[first_field], farm.islands[last_field], island, job)
    farm.islands[ISLAND_PENDING][island] += 1
    if late:
        farm.islands[ISLAND_LATE_PENDING][island] += 1
    _wait_of_ask(farm, island, job)


def _wait_of_ask(farm: Farm, island: int, job: int) -> None:
    """The same among the jobs that ask alike; an ask that is new is known on its island from now on."""
    jobs, asks, due = farm.jobs, farm.asks, farm.jobs[JOB_DUE_MS]
    ask = jobs[JOB_ASK][job]
    if asks[ASK_MET][ask] == 0:
        asks[ASK_MET][ask] = 1
        asks[ASK_NEXT][ask] = farm.islands[ISLAND_ASKS][island]
        farm.islands[ISLAND_ASKS][island] = ask
    before = asks[ASK_LAST][ask]
    while before >= 0 and due[before] > due[job]:
        before = jobs[JOB_ASK_BEFORE][before]
    after = asks[ASK_FIRST][ask] if before < 0 else jobs[JOB_ASK_AFTER][before]
    jobs[JOB_ASK_BEFORE][job], jobs[JOB_ASK_AFTER][job] = before, after
    if before < 0:
        asks[ASK_FIRST][ask] = job
    else:
        jobs[JOB_ASK_AFTER][before] = job
    if after < 0:
        asks[ASK_LAST][ask] = job
    else:
        jobs[JOB_ASK_BEFORE][after] = job
    asks[ASK_PENDING][ask] += 1


def _join(jobs: Table, firsts: Column, lasts: Column, island: int, job: int) -> None:
    before, after = jobs[JOB_BEFORE][job], jobs[JOB_AFTER][job]
    if before < 0:
        firsts[island] = job
    else:
        jobs[JOB_AFTER][before] = job
    if after < 0:
        lasts[island] = job
    else:
        jobs[JOB_BEFORE][after] = job


def leave(farm: Farm, island: int, job: int) -> None:
    """The job is no longer among the pending ones."""
    late = farm.jobs[JOB_FLAGS][job] & LATE_OK
    first_field, last_field = (ISLAND_LATE_FIRST, ISLAND_LATE_LAST) if late else (ISLAND_FIRST, ISLAND_LAST)
    jobs = farm.jobs
    _close_gap(jobs, JOB_BEFORE, JOB_AFTER, job)
    if farm.islands[first_field][island] == job:
        farm.islands[first_field][island] = jobs[JOB_AFTER][job]
    if farm.islands[last_field][island] == job:
        farm.islands[last_field][island] = jobs[JOB_BEFORE][job]
    jobs[JOB_BEFORE][job] = jobs[JOB_AFTER][job] = -1
    farm.islands[ISLAND_PENDING][island] -= 1
    if late:
        farm.islands[ISLAND_LATE_PENDING][island] -= 1
    _leave_of_ask(farm, job)


def _leave_of_ask(farm: Farm, job: int) -> None:
    jobs, asks = farm.jobs, farm.asks
    ask = jobs[JOB_ASK][job]
    _close_gap(jobs, JOB_ASK_BEFORE, JOB_ASK_AFTER, job)
    if asks[ASK_FIRST][ask] == job:
        asks[ASK_FIRST][ask] = jobs[JOB_ASK_AFTER][job]
    if asks[ASK_LAST][ask] == job:
        asks[ASK_LAST][ask] = jobs[JOB_ASK_BEFORE][job]
    jobs[JOB_ASK_BEFORE][job] = jobs[JOB_ASK_AFTER][job] = -1
    asks[ASK_PENDING][ask] -= 1
