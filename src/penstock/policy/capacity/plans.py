"""Plans that are kept between two packings, so that a lane that becomes free goes on at once on large farms, too.

There jobs are packed every few seconds only, and everything is ordered that much earlier.
"""

from penstock.policy.capacity import changes, lists, reasons
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    IDLE,
    ISLAND_NEED,
    ISLAND_OWNED,
    JOB_ASK,
    JOB_PLAN_LANE,
    JOB_STATE,
    JOB_THEN,
    LANE_JOB,
    LANE_NEXT,
    MACHINE_BEFORE,
    MACHINE_FREE,
    MACHINE_POOL,
    MACHINE_SINCE_MS,
    OPEN,
    PENDING,
    POOL_OWNED,
    POOL_SLOTS,
    RULE_TICK_MS,
    RULE_WIDTH,
    Farm,
)

LARGE, HUGE = 100, 400
"""From so many machines on jobs are packed by the tick, and by a longer one."""
LARGE_TICK_MS, HUGE_TICK_MS = 5_000, 10_000


def tick_ms(farm: Farm, island: int) -> int:
    """How often jobs are packed; 0 = at every event."""
    given = farm.rules[RULE_TICK_MS]
    machines = farm.islands[ISLAND_OWNED][island] + farm.islands[ISLAND_NEED][island]
    if given != 0 or machines <= LARGE:
        return max(0, given)
    return HUGE_TICK_MS if machines > HUGE else LARGE_TICK_MS


def forget(farm: Farm) -> None:
    """None of the jobs on the sheet is planned anywhere."""
    sheet = farm.scratch
    for place in range(sheet[on.FRAME][on.PLACES]):
        farm.jobs[JOB_PLAN_LANE][sheet[on.JOB][place]] = -1


def keep(farm: Farm) -> None:
    """Keep what is planned on the seats of machines that are there."""
    sheet, jobs = farm.scratch, farm.jobs
    for seat in range(sheet[on.FRAME][on.SEATS]):
        lane, place = sheet[on.LANE][seat], sheet[on.FIRST][seat]
        farm.lanes[LANE_NEXT][lane] = -1 if place < 0 else sheet[on.JOB][place]
        while place >= 0:
            after, job = sheet[on.NEXT][place], sheet[on.JOB][place]
            jobs[JOB_PLAN_LANE][job] = lane
            jobs[JOB_THEN][job] = -1 if after < 0 else sheet[on.JOB][after]
            place = after


def go_on(farm: Farm) -> int:
    """Lanes that have become free just now go on with what was planned there. Returns how many have nothing to go on with."""
    sheet, free = farm.scratch, 0
    now_ms = sheet[on.FRAME][on.NOW_MS]
    for at in range(sheet[on.FRAME][on.POOLS_HERE]):
        for state in (IDLE, OPEN):
            machine = lists.last(farm, sheet[on.POOLS][at], state)
            while machine >= 0 and farm.machines[MACHINE_SINCE_MS][machine] == now_ms:
                before = farm.machines[MACHINE_BEFORE][machine]
                _go_on(farm, machine)
                free += farm.machines[MACHINE_FREE][machine]
                machine = before
    return free


def _go_on(farm: Farm, machine: int) -> None:
    pool, begin = farm.machines[MACHINE_POOL][machine], machine * farm.rules[RULE_WIDTH]
    why = reasons.ON_OWNED if farm.pools[POOL_OWNED][pool] else reasons.ON_RENTED
    for lane in range(begin, begin + farm.pools[POOL_SLOTS][pool]):
        job = farm.lanes[LANE_NEXT][lane] if farm.lanes[LANE_JOB][lane] < 0 else -1
        while job >= 0 and not _still(farm, job, lane):
            job = farm.jobs[JOB_THEN][job]
        if job >= 0 and changes.room(farm, machine, farm.jobs[JOB_ASK][job]):
            farm.lanes[LANE_NEXT][lane] = farm.jobs[JOB_THEN][job]
            changes.start(farm, job, machine, farm.scratch[on.FRAME][on.NOW_MS], why)


def _still(farm: Farm, job: int, lane: int) -> bool:
    return farm.jobs[JOB_STATE][job] == PENDING and farm.jobs[JOB_PLAN_LANE][job] == lane
