"""What happens to a farm, as changes of its columns. The world tells what happened (first part); a decision acts (second part).

Both keep counts, lists, lanes, learnt durations and levels of need in step, so that no rule has to. A decision's acts are also
written down, in order, for the world to carry out.
"""

from penstock.policy.capacity import estimates, levels, lists, offers
from penstock.policy.capacity.columns import (
    ABSENT,
    ACT_JOB,
    ACT_KIND,
    ACT_LANE,
    ACT_MACHINE,
    ACT_WHY,
    AHEAD,
    ASK_CORES,
    ASK_ISLAND,
    ASK_MEMORY_MB,
    BOOT,
    COMING,
    DELETE,
    DELETING,
    DRAINED,
    ENDED,
    FULL,
    HEAD_ACTS,
    HEAD_FREE_ROWS,
    HEAD_SERIAL,
    IDLE,
    ISLAND_ADDED_MS,
    ISLAND_BOOTS,
    ISLAND_HELD_MS,
    ISLAND_LATE,
    ISLAND_OWNED,
    ISLAND_RESUMES,
    ISLAND_RUNNING,
    ISLAND_SEEN,
    ISLAND_STOPPED_MS,
    ISLAND_TIMER_MS,
    JOB_ASK,
    JOB_DUE_MS,
    JOB_FLAGS,
    JOB_LANE,
    JOB_NAME,
    JOB_PLAN_LANE,
    JOB_READY_MS,
    JOB_STATE,
    JOB_TRIES,
    LANE_COLD_MS,
    LANE_JOB,
    LANE_NEXT,
    LANE_STARTED_MS,
    LEFT,
    MACHINE_BOOTED_MS,
    MACHINE_CORES,
    MACHINE_FLAGS,
    MACHINE_FREE,
    MACHINE_GONE_MS,
    MACHINE_MEMORY_MB,
    MACHINE_POOL,
    MACHINE_READY_MS,
    MACHINE_SERIAL,
    MACHINE_SINCE_MS,
    MACHINE_STARTS,
    MACHINE_STATE,
    MACHINE_STOP_MS,
    NEVER_MS,
    OPEN,
    PENDING,
    POOL_BOOT_MS,
    POOL_COLD_MS,
    POOL_CORES,
    POOL_ISLAND,
    POOL_MACHINES,
    POOL_MEMORY_MB,
    POOL_OWNED,
    POOL_RESUME_MS,
    POOL_SLOTS,
    POOL_USES,
    RESUME,
    RESUMED,
    RULE_PROMISE_MS,
    RULE_WIDTH,
    RUNNING,
    START,
    STARTED,
    STOPPED,
    SUSPEND,
    SUSPENDING,
    Farm,
)

# --- what the world tells --------------------------------------------------------------------------------------------


def arrived(farm: Farm, job: int, now_ms: int) -> None:
    """The job became runnable, or waits again after a lost attempt: then it keeps its deadline and comes first."""
    jobs = farm.jobs
    island = farm.asks[ASK_ISLAND][jobs[JOB_ASK][job]]
    if jobs[JOB_TRIES][job] == 0:
        jobs[JOB_READY_MS][job] = now_ms
        jobs[JOB_DUE_MS][job] = now_ms + farm.rules[RULE_PROMISE_MS]
        farm.islands[ISLAND_SEEN][island] += 1
    jobs[JOB_STATE][job], jobs[JOB_PLAN_LANE][job] = PENDING, -1
    lists.wait(farm, island, job)


def ended(farm: Farm, job: int, now_ms: int, worked_ms: int) -> None:
    """The job ended after `worked_ms` of work at speed 1, without the cold extra: now that is known, and learnt."""
    farm.jobs[JOB_STATE][job] = ENDED
    estimates.learn(farm, farm.jobs[JOB_NAME][job], worked_ms)
    _free(farm, job, now_ms)


def lost(farm: Farm, job: int, now_ms: int) -> None:
    """The attempt ended without a result: the job waits again."""
    _free(farm, job, now_ms)
    arrived(farm, job, now_ms)


def withdrawn(farm: Farm, job: int, now_ms: int) -> None:
    """Nothing is to be decided about the job any more, or not for a while: it waits and runs nowhere."""
    if farm.jobs[JOB_STATE][job] == RUNNING:
        _free(farm, job, now_ms)
    else:
        lists.leave(farm, farm.asks[ASK_ISLAND][farm.jobs[JOB_ASK][job]], job)
    farm.jobs[JOB_STATE][job] = AHEAD


def up(farm: Farm, machine: int, now_ms: int) -> None:
    """A machine that was coming can run jobs."""
    lists.move(farm, machine, IDLE, now_ms)
    levels.fall(farm, farm.machines[MACHINE_POOL][machine], now_ms)
    levels.idle(farm, machine, now_ms)


def suspended(farm: Farm, machine: int, now_ms: int) -> None:
    """Suspending has ended."""
    lists.move(farm, machine, STOPPED, now_ms)
    farm.machines[MACHINE_GONE_MS][machine] = levels.gone_ms(farm, machine, now_ms)


def gone(farm: Farm, machine: int, now_ms: int) -> None:
    """The machine is no more (deleted, reclaimed, refused, lost). No job runs on it."""
    machines = farm.machines
    pool = machines[MACHINE_POOL][machine]
    state = machines[MACHINE_STATE][machine]
    if farm.pools[POOL_OWNED][pool]:
        farm.islands[ISLAND_OWNED][farm.pools[POOL_ISLAND][pool]] -= farm.pools[POOL_SLOTS][pool]
    elif state in (COMING, OPEN, FULL):
        levels.fall(farm, pool, now_ms)
    if state != COMING:
        offers.room(farm, pool, now_ms)
    lists.move(farm, machine, ABSENT, now_ms)
    farm.pools[POOL_MACHINES][pool] -= 1
    farm.free_rows[farm.head[HEAD_FREE_ROWS]] = machine
    farm.head[HEAD_FREE_ROWS] += 1


def owned(farm: Farm, pool: int, now_ms: int) -> int:
    """An owned machine appears, up. Returns its row."""
    machine = _row(farm, pool, now_ms)
    farm.islands[ISLAND_OWNED][farm.pools[POOL_ISLAND][pool]] += farm.pools[POOL_SLOTS][pool]
    lists.move(farm, machine, IDLE, now_ms)
    farm.machines[MACHINE_STOP_MS][machine] = NEVER_MS
    return machine


def _free(farm: Farm, job: int, now_ms: int) -> None:
    """Take the job off its lane; an emptied machine becomes idle."""
    lane = farm.jobs[JOB_LANE][job]
    machine = lane // farm.rules[RULE_WIDTH]
    machines = farm.machines
    pool = machines[MACHINE_POOL][machine]
    ask = farm.jobs[JOB_ASK][job]
    farm.jobs[JOB_LANE][job] = -1
    farm.lanes[LANE_JOB][lane] = -1
    machines[MACHINE_FREE][machine] += 1
    machines[MACHINE_CORES][machine] += farm.asks[ASK_CORES][ask]
    machines[MACHINE_MEMORY_MB][machine] += farm.asks[ASK_MEMORY_MB][ask]
    farm.islands[ISLAND_RUNNING][farm.pools[POOL_ISLAND][pool]] -= 1
    if machines[MACHINE_STATE][machine] == DELETING or machines[MACHINE_STATE][machine] == SUSPENDING:
        return
    if machines[MACHINE_FREE][machine] < farm.pools[POOL_SLOTS][pool]:
        lists.move(farm, machine, OPEN, now_ms)
        return
    lists.move(farm, machine, IDLE, now_ms)
    if farm.pools[POOL_OWNED][pool] == 0:
        levels.fall(farm, pool, now_ms)
        levels.idle(farm, machine, now_ms)
    if used_up(farm, machine):
        machines[MACHINE_FLAGS][machine] |= DRAINED
        machines[MACHINE_STOP_MS][machine] = now_ms
        farm.islands[ISLAND_TIMER_MS][farm.pools[POOL_ISLAND][pool]] = 0


def used_up(farm: Farm, machine: int) -> bool:
    """Whether the machine has run as many jobs as its pool lets one run."""
    uses = farm.pools[POOL_USES][farm.machines[MACHINE_POOL][machine]]
    return uses > 0 and farm.machines[MACHINE_STARTS][machine] >= uses


# --- what a decision does ----------------------------------------------------------------------------------------------


def room(farm: Farm, machine: int, ask: int) -> bool:
    """Whether a job of this ask fits on the machine beside what runs there now."""
    machines = farm.machines
    pool = machines[MACHINE_POOL][machine]
    if machines[MACHINE_FREE][machine] == 0 or used_up(farm, machine):
        return False
    if machines[MACHINE_FLAGS][machine] & DRAINED:
        return False
    if farm.pools[POOL_CORES][pool] == 0:
        return True
    if farm.asks[ASK_CORES][ask] > machines[MACHINE_CORES][machine]:
        return False
    return farm.pools[POOL_MEMORY_MB][pool] == 0 or (
        farm.asks[ASK_MEMORY_MB][ask] <= machines[MACHINE_MEMORY_MB][machine]
    )


def start(farm: Farm, job: int, machine: int, now_ms: int, why: int) -> None:
    """The pending job starts on a machine that is up and has `room`: on its lowest free lane."""
    jobs, machines = farm.jobs, farm.machines
    pool, ask = machines[MACHINE_POOL][machine], jobs[JOB_ASK][job]
    island = farm.pools[POOL_ISLAND][pool]
    lane = machine * farm.rules[RULE_WIDTH]
    while farm.lanes[LANE_JOB][lane] >= 0:
        lane += 1
    lists.leave(farm, island, job)
    _first_start(farm, job, island, now_ms)
    if jobs[JOB_FLAGS][job] & LEFT:
        levels.marked(farm, island, farm.pools[POOL_OWNED][pool])
    jobs[JOB_STATE][job], jobs[JOB_LANE][job] = RUNNING, lane
    jobs[JOB_TRIES][job] += 1
    farm.lanes[LANE_JOB][lane], farm.lanes[LANE_STARTED_MS][lane] = job, now_ms
    farm.lanes[LANE_COLD_MS][lane] = (
        farm.pools[POOL_COLD_MS][pool] if machines[MACHINE_STARTS][machine] == 0 else 0
    )
    if machines[MACHINE_STATE][machine] == IDLE and farm.pools[POOL_OWNED][pool] == 0:
        levels.rise(farm, pool, now_ms)
    machines[MACHINE_STARTS][machine] += 1
    machines[MACHINE_FREE][machine] -= 1
    machines[MACHINE_CORES][machine] -= farm.asks[ASK_CORES][ask]
    machines[MACHINE_MEMORY_MB][machine] -= farm.asks[ASK_MEMORY_MB][ask]
    farm.islands[ISLAND_RUNNING][island] += 1
    lists.move(farm, machine, FULL if machines[MACHINE_FREE][machine] == 0 else OPEN, now_ms)
    act(farm, START, machine, why)
    farm.acts[ACT_JOB][farm.head[HEAD_ACTS] - 1] = job
    farm.acts[ACT_LANE][farm.head[HEAD_ACTS] - 1] = lane


def _first_start(farm: Farm, job: int, island: int, now_ms: int) -> None:
    """Count a job that starts for the first time, and whether it is late by the promise."""
    flags = farm.jobs[JOB_FLAGS][job]
    if flags & STARTED:
        return
    farm.jobs[JOB_FLAGS][job] = flags | STARTED
    if now_ms > farm.jobs[JOB_READY_MS][job] + farm.rules[RULE_PROMISE_MS]:
        farm.islands[ISLAND_LATE][island] += 1


def boot(farm: Farm, pool: int, now_ms: int, why: int) -> int:
    """Order a new machine. Returns its row, -1 when there is no row left for one."""
    machine = _row(farm, pool, now_ms)
    if machine < 0:
        return machine
    island = farm.pools[POOL_ISLAND][pool]
    farm.islands[ISLAND_BOOTS][island] += 1
    farm.machines[MACHINE_READY_MS][machine] = now_ms + farm.pools[POOL_BOOT_MS][pool]
    _ordered(farm, machine, now_ms)
    act(farm, BOOT, machine, why)
    return machine


def resume(farm: Farm, machine: int, now_ms: int, why: int) -> None:
    """Wake a suspended machine."""
    pool = farm.machines[MACHINE_POOL][machine]
    island = farm.pools[POOL_ISLAND][pool]
    farm.islands[ISLAND_RESUMES][island] += 1
    farm.islands[ISLAND_HELD_MS][island] += now_ms - farm.machines[MACHINE_SINCE_MS][machine]
    farm.machines[MACHINE_READY_MS][machine] = now_ms + farm.pools[POOL_RESUME_MS][pool]
    farm.machines[MACHINE_FLAGS][machine] = RESUMED
    _ordered(farm, machine, now_ms)
    act(farm, RESUME, machine, why)


def suspend(farm: Farm, machine: int, now_ms: int, why: int) -> None:
    """Suspend an idle machine."""
    _stopped(farm, machine, now_ms)
    lists.move(farm, machine, SUSPENDING, now_ms)
    act(farm, SUSPEND, machine, why)


def delete(farm: Farm, machine: int, now_ms: int, why: int) -> None:
    """Give back a machine that runs nothing: idle, suspended, or coming."""
    state = farm.machines[MACHINE_STATE][machine]
    pool = farm.machines[MACHINE_POOL][machine]
    if state == STOPPED:
        island = farm.pools[POOL_ISLAND][pool]
        farm.islands[ISLAND_HELD_MS][island] += now_ms - farm.machines[MACHINE_SINCE_MS][machine]
    elif state == COMING:
        levels.fall(farm, pool, now_ms)
    else:
        _stopped(farm, machine, now_ms)
    lists.move(farm, machine, DELETING, now_ms)
    act(farm, DELETE, machine, why)


def _ordered(farm: Farm, machine: int, now_ms: int) -> None:
    pool = farm.machines[MACHINE_POOL][machine]
    farm.machines[MACHINE_BOOTED_MS][machine] = now_ms
    farm.machines[MACHINE_STOP_MS][machine] = farm.machines[MACHINE_GONE_MS][machine] = NEVER_MS
    farm.islands[ISLAND_ADDED_MS][farm.pools[POOL_ISLAND][pool]] = now_ms
    lists.move(farm, machine, COMING, now_ms)
    levels.rise(farm, pool, now_ms)


def _stopped(farm: Farm, machine: int, now_ms: int) -> None:
    pool = farm.machines[MACHINE_POOL][machine]
    farm.islands[ISLAND_STOPPED_MS][farm.pools[POOL_ISLAND][pool]] = now_ms


def _row(farm: Farm, pool: int, now_ms: int) -> int:
    """A fresh row for a machine of this pool, in no list yet; -1 when all are taken."""
    if farm.head[HEAD_FREE_ROWS] == 0:
        return -1
    farm.head[HEAD_FREE_ROWS] -= 1
    machine = farm.free_rows[farm.head[HEAD_FREE_ROWS]]
    machines = farm.machines
    machines[MACHINE_STATE][machine] = ABSENT
    machines[MACHINE_POOL][machine] = pool
    machines[MACHINE_SERIAL][machine] = farm.head[HEAD_SERIAL]
    machines[MACHINE_SINCE_MS][machine] = now_ms
    machines[MACHINE_FREE][machine] = farm.pools[POOL_SLOTS][pool]
    machines[MACHINE_CORES][machine] = farm.pools[POOL_CORES][pool]
    machines[MACHINE_MEMORY_MB][machine] = farm.pools[POOL_MEMORY_MB][pool]
    machines[MACHINE_STARTS][machine] = machines[MACHINE_FLAGS][machine] = 0
    machines[MACHINE_STOP_MS][machine] = machines[MACHINE_GONE_MS][machine] = NEVER_MS
    begin = machine * farm.rules[RULE_WIDTH]
    for lane in range(begin, begin + farm.rules[RULE_WIDTH]):
        farm.lanes[LANE_NEXT][lane] = -1
    farm.head[HEAD_SERIAL] += 1
    farm.pools[POOL_MACHINES][pool] += 1
    return machine


def act(farm: Farm, kind: int, machine: int, why: int) -> None:
    """Write down one act of this decision; of a start, its job and lane are written after it."""
    at = farm.head[HEAD_ACTS]
    farm.acts[ACT_KIND][at] = kind
    farm.acts[ACT_JOB][at] = farm.acts[ACT_LANE][at] = -1
    farm.acts[ACT_MACHINE][at] = machine
    farm.acts[ACT_WHY][at] = why
    farm.head[HEAD_ACTS] = at + 1
