"""Pending jobs on the sheet: those with the earliest deadlines, in order of submission, and until when each may wait."""

from penstock.policy.capacity import estimates, offers
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ISLAND_FIRST,
    ISLAND_LATE_FIRST,
    ISLAND_LATE_PENDING,
    ISLAND_PENDING,
    JOB_AFTER,
    JOB_ASK,
    JOB_DUE_MS,
    JOB_FLAGS,
    JOB_NAME,
    JOB_READY_MS,
    LATE_OK,
    NEVER_MS,
    PACKED_MOST,
    POOL_BOOT_MS,
    POOL_PRICE,
    POOL_RESUME_MS,
    POOL_STOP_MS,
    RULE_PACK_MOST,
    RULE_WAIT_PRICE,
    Column,
    Farm,
)


def gather(farm: Farm, island: int) -> None:
    """Write the pending jobs on the sheet: at most as many as one packing looks at."""
    for at in range(farm.scratch[on.FRAME][on.POOLS_HERE]):
        farm.scratch[on.DEMAND][farm.scratch[on.POOLS][at]] = 0
    most = min(farm.rules[RULE_PACK_MOST], PACKED_MOST)
    late = farm.islands[ISLAND_LATE_PENDING][island]
    strict = min(most, farm.islands[ISLAND_PENDING][island] - late)
    late = min(late, most - strict)
    job, other = farm.islands[ISLAND_FIRST][island], farm.islands[ISLAND_LATE_FIRST][island]
    after = farm.jobs[JOB_AFTER]
    for place in range(strict + late):
        if late == 0 or (strict > 0 and _earlier(farm, job, other)):
            _write(farm, place, job)
            job, strict = after[job], strict - 1
        else:
            _write(farm, place, other)
            other, late = after[other], late - 1
    farm.scratch[on.FRAME][on.PLACES] = min(most, farm.islands[ISLAND_PENDING][island])
    _sort_pools(farm)


def _sort_pools(farm: Farm) -> None:
    pools, demand = farm.scratch[on.POOLS], farm.scratch[on.DEMAND]
    for at in range(1, farm.scratch[on.FRAME][on.POOLS_HERE]):
        pool, gap = pools[at], at
        while gap > 0 and _later(demand, pools[gap - 1], pool):
            pools[gap] = pools[gap - 1]
            gap -= 1
        pools[gap] = pool


def _later(demand: Column, pool: int, other: int) -> bool:
    return demand[pool] > demand[other] or (demand[pool] == demand[other] and pool > other)


def _earlier(farm: Farm, job: int, other: int) -> bool:
    ready = farm.jobs[JOB_READY_MS]
    return ready[job] < ready[other] or (ready[job] == ready[other] and job < other)


def _write(farm: Farm, place: int, job: int) -> None:
    sheet, jobs = farm.scratch, farm.jobs
    frame = sheet[on.FRAME]
    ask, steady = jobs[JOB_ASK][job], offers.steady(farm, job)
    work_ms = estimates.estimate_ms(farm, jobs[JOB_NAME][job])
    sheet[on.JOB][place], sheet[on.ASK][place], sheet[on.WORK_MS][place] = job, ask, work_ms
    if place > 0 and frame[on.ALLOWED_ASK] == ask and frame[on.ALLOWED_STEADY] == steady:
        sheet[on.POOL][place] = sheet[on.POOL][place - 1]
    else:
        offers.allow(farm, ask, steady)
        sheet[on.POOL][place] = offers.best(farm, ask, work_ms, True)
    for at in range(frame[on.POOLS_HERE]):
        pool = sheet[on.POOLS][at]
        if sheet[on.ALLOWED][pool] > 0:
            sheet[on.DEMAND][pool] += 1
    late = jobs[JOB_FLAGS][job] & LATE_OK and jobs[JOB_DUE_MS][job] > frame[on.NOW_MS]
    sheet[on.MARK][place] = on.LATE if late else 0
    sheet[on.SEAT][place] = -1


def due_ms(farm: Farm, place: int) -> int:
    """The job's deadline, ENDLESS_MS for one that may be late on purpose."""
    sheet = farm.scratch
    if sheet[on.MARK][place] & on.LATE:
        return on.ENDLESS_MS
    return farm.jobs[JOB_DUE_MS][sheet[on.JOB][place]]


def allowed_ms(farm: Farm, place: int, work_ms: int) -> int:
    """Until when waiting is cheaper than renting for `work_ms`, counted from when the job became ready; ENDLESS_MS
    where waiting has no price or nothing can be rented."""
    sheet, pools = farm.scratch, farm.pools
    worth, pool = farm.rules[RULE_WAIT_PRICE], sheet[on.POOL][place]
    if worth == 0 or pool < 0:
        return on.ENDLESS_MS
    wake_ms = pools[POOL_RESUME_MS][pool]
    if wake_ms < 0:
        wake_ms = pools[POOL_BOOT_MS][pool]
    stop_ms = pools[POOL_STOP_MS][pool]
    work_ms += wake_ms + (0 if stop_ms >= NEVER_MS else stop_ms // 10)
    ready_ms = farm.jobs[JOB_READY_MS][sheet[on.JOB][place]]
    return ready_ms + wake_ms + pools[POOL_PRICE][pool] * work_ms // worth
