"""Pending jobs packed onto owned lanes, longest first: each lane runs short jobs first and the long one just in time."""

from penstock.policy.capacity import changes, lanes, lists, offers, pending, reasons, seats
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    IDLE,
    ISLAND_OWNED,
    ISLAND_PENDING,
    JOB_DUE_MS,
    JOB_FLAGS,
    JOB_PLAN_MS,
    JOB_WHY,
    LEFT,
    MACHINE_BEFORE,
    MACHINE_GONE_MS,
    NEVER_MS,
    POOL_BOOT_MS,
    POOL_OWNED,
    POOL_RESUME_MS,
    POOL_SLOTS,
    RULE_CHAIN_LEAD_MS,
    STOPPED,
    Farm,
)

FIRST_OF_ALL = 2**60
"""Puts what is overdue before everything that is sorted by its length."""


def plenty(farm: Farm, island: int) -> bool:
    """Whether there are at least as many free owned lanes as pending jobs."""
    lanes_free, sheet = 0, farm.scratch
    for at in range(sheet[on.FRAME][on.POOLS_HERE]):
        pool = sheet[on.POOLS][at]
        if farm.pools[POOL_OWNED][pool]:
            lanes_free += lists.count(farm, pool, IDLE) * farm.pools[POOL_SLOTS][pool]
    return lanes_free >= farm.islands[ISLAND_PENDING][island]


def start_all(farm: Farm) -> int:
    """Start the pending jobs on free owned machines, longest first. Returns how many started."""
    sheet = farm.scratch
    places, started = sheet[on.FRAME][on.PLACES], 0
    for place in range(places):
        sheet[on.ORDER][place], sheet[on.KEY][place] = place, -sheet[on.WORK_MS][place]
    on.rank(sheet, places)
    for at in range(places):
        started += _start_somewhere(farm, sheet[on.ORDER][at])
    return started


def _start_somewhere(farm: Farm, place: int) -> int:
    sheet = farm.scratch
    job, ask = sheet[on.JOB][place], sheet[on.ASK][place]
    offers.allow(farm, ask, offers.steady(farm, job))
    for at in range(sheet[on.FRAME][on.POOLS_HERE]):
        pool = sheet[on.POOLS][at]
        if sheet[on.ALLOWED][pool] and farm.pools[POOL_OWNED][pool]:
            machine = lists.last(farm, pool, IDLE)
            if machine >= 0 and changes.room(farm, machine, ask):
                changes.start(farm, job, machine, sheet[on.FRAME][on.NOW_MS], reasons.ON_OWNED)
                return 1
    return 0


def pack(farm: Farm) -> int:
    """Plan all pending jobs on owned lanes and start those that are first on free ones. Returns how many started."""
    sheet = farm.scratch
    places = sheet[on.FRAME][on.PLACES]
    _seats(farm)
    for place in range(places):
        sheet[on.SEAT][place] = -1
    if sheet[on.FRAME][on.SEATS] == 0:
        return 0
    _order(farm)
    for at in range(places):
        place = sheet[on.ORDER][at]
        offers.allow(farm, sheet[on.ASK][place], offers.steady(farm, sheet[on.JOB][place]))
        seats.least_loaded(sheet, place)
    return lanes.start_heads(farm, reasons.ON_OWNED)


def _seats(farm: Farm) -> None:
    """Seats for owned lanes that are free before the last deadline."""
    sheet, frame = farm.scratch, farm.scratch[on.FRAME]
    seats.clear(sheet)
    frame[on.HORIZON_MS] = 0
    for place in range(frame[on.PLACES]):
        due_ms = min(pending.due_ms(farm, place), pending.allowed_ms(farm, place, sheet[on.WORK_MS][place]))
        sheet[on.DUE_MS][place] = max(frame[on.NOW_MS], due_ms)
        frame[on.HORIZON_MS] = max(frame[on.HORIZON_MS], sheet[on.DUE_MS][place])
    for at in range(frame[on.POOLS_HERE]):
        pool = sheet[on.POOLS][at]
        if farm.pools[POOL_OWNED][pool]:
            lanes.free(farm, pool, frame[on.PLACES])
            lanes.note_busy(farm, pool, lanes.HALF_PPM)
    lanes.busy(farm, frame[on.PLACES])


def _order(farm: Farm) -> None:
    """Put the jobs in order: overdue ones by deadline, then the longest first."""
    sheet = farm.scratch
    for place in range(sheet[on.FRAME][on.PLACES]):
        due_ms = pending.due_ms(farm, place)
        overdue = due_ms <= sheet[on.FRAME][on.NOW_MS]
        sheet[on.ORDER][place] = place
        sheet[on.KEY][place] = due_ms - FIRST_OF_ALL if overdue else -sheet[on.WORK_MS][place]
    on.rank(sheet, sheet[on.FRAME][on.PLACES])


def leave_over(farm: Farm, island: int) -> int:
    """Mark the jobs that owned lanes do not take in time. Returns how many there are."""
    sheet, jobs, left = farm.scratch, farm.jobs, 0
    now_ms = sheet[on.FRAME][on.NOW_MS]
    for at in range(sheet[on.FRAME][on.POOLS_HERE]):
        sheet[on.FRESHEST][sheet[on.POOLS][at]] = lists.last(farm, sheet[on.POOLS][at], STOPPED)
    for place in range(sheet[on.FRAME][on.PLACES]):
        mark = sheet[on.MARK][place] & on.LATE
        job, pool, seat = sheet[on.JOB][place], sheet[on.POOL][place], sheet[on.SEAT][place]
        jobs[JOB_WHY][job] = reasons.LATE_ON_PURPOSE if mark else reasons.WAITS_FOR_OWNED
        jobs[JOB_PLAN_MS][job] = NEVER_MS if seat < 0 else sheet[on.FREE_MS][seat]
        if pool < 0 and seat < 0:
            jobs[JOB_WHY][job] = reasons.NOTHING_TO_RENT
        if mark == 0 and pool >= 0 and _is_left(farm, place):
            mark = on.LEFT_OVER
            left += 1
            spare_ms = jobs[JOB_DUE_MS][job] - now_ms - farm.pools[POOL_BOOT_MS][pool]
            if farm.islands[ISLAND_OWNED][island] > 0 and spare_ms > farm.rules[RULE_CHAIN_LEAD_MS]:
                jobs[JOB_FLAGS][job] |= LEFT
        sheet[on.MARK][place] = mark
    sheet[on.FRAME][on.LEFT_PLACES] = left
    return left


def _is_left(farm: Farm, place: int) -> bool:
    """Whether no owned lane takes the job in time, or only perhaps and this is the last moment to order a machine for it.
    Each suspended machine is relied on for one job, and kept until then."""
    sheet, seat = farm.scratch, farm.scratch[on.SEAT][place]
    if seat < 0:
        return True
    due_ms = farm.jobs[JOB_DUE_MS][sheet[on.JOB][place]]
    pool, frame = sheet[on.POOL][place], sheet[on.FRAME]
    early_ms = due_ms - frame[on.NOW_MS] - frame[on.EARLY_MS]
    if early_ms > farm.pools[POOL_BOOT_MS][pool] or sheet[on.SURE_MS][seat] <= due_ms:
        return False
    return early_ms <= farm.pools[POOL_RESUME_MS][pool] or not _rely(farm, pool, due_ms)


def _rely(farm: Farm, pool: int, due_ms: int) -> bool:
    """Whether one more suspended machine is there to be relied on; it is not deleted before it may be needed."""
    sheet = farm.scratch
    machine = sheet[on.FRESHEST][pool]
    if sheet[on.FRAME][on.GUARD] != 0 or machine < 0:
        return False
    sheet[on.FRESHEST][pool] = farm.machines[MACHINE_BEFORE][machine]
    farm.machines[MACHINE_GONE_MS][machine] = max(farm.machines[MACHINE_GONE_MS][machine], due_ms)
    return True
