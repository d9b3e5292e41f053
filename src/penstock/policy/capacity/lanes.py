"""Lanes as seats: those that are free, those of machines that are coming, and when those that are busy will be free."""

from penstock.policy.capacity import changes, estimates, lists, seats
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    COMING,
    DRAINED,
    FULL,
    IDLE,
    JOB_DUE_MS,
    JOB_NAME,
    LANE_COLD_MS,
    LANE_JOB,
    LANE_STARTED_MS,
    MACHINE_AFTER,
    MACHINE_BEFORE,
    MACHINE_CORES,
    MACHINE_FLAGS,
    MACHINE_FREE,
    MACHINE_MEMORY_MB,
    MACHINE_POOL,
    MACHINE_READY_MS,
    MACHINE_STARTS,
    NOTICED,
    OPEN,
    POOL_COLD_MS,
    POOL_CORES,
    POOL_MEMORY_MB,
    POOL_SLOTS,
    POOL_SPEED_PPM,
    POOL_USES,
    RULE_LOOK_MOST,
    RULE_WIDTH,
    Farm,
)

HALF_PPM = 500_000
SURE_PPM = 800_000
"""Quantiles of how much longer a job runs: for planning, and for relying on it."""
LOOK_MORE = 300


def takes(farm: Farm, machine: int) -> int:
    """How many more jobs the machine may take; 0 for one that takes nothing new."""
    if farm.machines[MACHINE_FLAGS][machine] & (DRAINED | NOTICED):
        return 0
    if machine == farm.scratch[on.FRAME][on.KEPT]:
        return 0
    uses = farm.pools[POOL_USES][farm.machines[MACHINE_POOL][machine]]
    return on.PLENTY if uses == 0 else max(0, uses - farm.machines[MACHINE_STARTS][machine])


def of_new(farm: Farm, pool: int) -> int:
    """How many jobs a new machine of the pool may take."""
    uses = farm.pools[POOL_USES][pool]
    return on.PLENTY if uses == 0 else uses


def share(farm: Farm, more: int, lanes: int) -> int:
    """How many jobs are planned on one of a machine's lanes at most, when it takes so many more."""
    return min(farm.scratch[on.FRAME][on.SEQUENCE_MOST], more // lanes)


def _seat(farm: Farm, machine: int, free_ms: int) -> int:
    """A seat on a lane of this machine."""
    sheet = farm.scratch
    pool = farm.machines[MACHINE_POOL][machine]
    seat = seats.add(sheet, machine, pool, free_ms)
    seats.pace(sheet, seat, farm.pools[POOL_SPEED_PPM][pool])
    if farm.machines[MACHINE_STARTS][machine] == 0:
        sheet[on.EXTRA_MS][seat] = farm.pools[POOL_COLD_MS][pool]
    return seat


def _block(farm: Farm, machine: int, free_ms: int) -> int:
    """Seats for all free lanes of the machine. Returns how many."""
    sheet, pool = farm.scratch, farm.machines[MACHINE_POOL][machine]
    more = takes(farm, machine)
    lanes_free = min(farm.machines[MACHINE_FREE][machine], more)
    for behind in range(lanes_free):
        seat = _seat(farm, machine, free_ms)
        sheet[on.BLOCK][seat], sheet[on.MOST][seat] = lanes_free - behind, share(farm, more, lanes_free)
        sheet[on.LANE][seat] = machine * farm.rules[RULE_WIDTH] + behind
        if farm.pools[POOL_CORES][pool] > 0:
            sheet[on.SEAT_CORES][seat] = farm.machines[MACHINE_CORES][machine]
        if farm.pools[POOL_CORES][pool] > 0 and farm.pools[POOL_MEMORY_MB][pool] > 0:
            sheet[on.SEAT_MEMORY_MB][seat] = farm.machines[MACHINE_MEMORY_MB][machine]
    return lanes_free


def free(farm: Farm, pool: int, most: int) -> None:
    """Seats for lanes that are free now: of machines that run something first, then of as many idle ones as there are
    jobs to be planned, the most recently used first."""
    now_ms = farm.scratch[on.FRAME][on.NOW_MS]
    machine = lists.last(farm, pool, OPEN)
    while machine >= 0:
        _block(farm, machine, now_ms)
        machine = farm.machines[MACHINE_BEFORE][machine]
    machine = lists.last(farm, pool, IDLE)
    while machine >= 0 and most > 0:
        most -= _block(farm, machine, now_ms)
        machine = farm.machines[MACHINE_BEFORE][machine]


def coming(farm: Farm, pool: int) -> None:
    """Seats for lanes of machines that are coming, in the order in which they were ordered."""
    frame = farm.scratch[on.FRAME]
    machine = lists.first(farm, pool, COMING)
    while machine >= 0:
        up_ms = max(farm.machines[MACHINE_READY_MS][machine], frame[on.NOW_MS] + 1)
        if _block(farm, machine, up_ms) > 0:
            frame[on.COMING_MS] = max(frame[on.COMING_MS], up_ms)
        machine = farm.machines[MACHINE_AFTER][machine]


def note_busy(farm: Farm, pool: int, ppm: int) -> None:
    """Note when each busy lane of the pool will be free, in KEY, if that is soon enough for anything; the lane in
    GROUP_MACHINE. GROUPS counts them."""
    machines, slots = farm.machines, farm.pools[POOL_SLOTS][pool]
    for state in (OPEN, FULL):
        machine = lists.first(farm, pool, state)
        while machine >= 0:
            if takes(farm, machine) > 0:
                lane = machine * farm.rules[RULE_WIDTH]
                for slot in range(slots):
                    if farm.lanes[LANE_JOB][lane + slot] >= 0:
                        _note(farm, lane + slot, ppm)
            machine = machines[MACHINE_AFTER][machine]


def _note(farm: Farm, lane: int, ppm: int) -> None:
    sheet = farm.scratch
    at = sheet[on.FRAME][on.GROUPS]
    free_ms = sheet[on.FRAME][on.NOW_MS] + rest_ms(farm, lane, ppm)
    if free_ms > sheet[on.FRAME][on.HORIZON_MS]:
        return
    sheet[on.FRAME][on.GROUPS] = at + 1
    sheet[on.GROUP_MACHINE][at] = lane
    sheet[on.KEY][at] = free_ms
    sheet[on.ORDER][at] = at


def busy(farm: Farm, wanted: int) -> None:
    """Seats for the busy lanes that were noted; of many only those that are free first."""
    sheet = farm.scratch
    noted = sheet[on.FRAME][on.GROUPS]
    look = max(farm.rules[RULE_LOOK_MOST], min(LOOK_MORE, wanted))
    if noted > look:
        on.rank(sheet, noted)
        noted = look
    for at in range(noted):
        lane = sheet[on.GROUP_MACHINE][sheet[on.ORDER][at]]
        seat = _seat(farm, lane // farm.rules[RULE_WIDTH], sheet[on.KEY][sheet[on.ORDER][at]])
        sheet[on.BUSY][seat], sheet[on.LANE][seat] = 1, lane
        sheet[on.MOST][seat] = share(farm, takes(farm, lane // farm.rules[RULE_WIDTH]), 1)
        sheet[on.SURE_MS][seat] = sheet[on.FRAME][on.NOW_MS] + rest_ms(farm, lane, SURE_PPM)
    sheet[on.FRAME][on.GROUPS] = 0


def rest_ms(farm: Farm, lane: int, ppm: int) -> int:
    """How much longer the job on the lane runs there."""
    now_ms = farm.scratch[on.FRAME][on.NOW_MS]
    speed = farm.pools[POOL_SPEED_PPM][farm.machines[MACHINE_POOL][lane // farm.rules[RULE_WIDTH]]]
    name = farm.jobs[JOB_NAME][farm.lanes[LANE_JOB][lane]]
    warm_ms = farm.lanes[LANE_STARTED_MS][lane] + farm.lanes[LANE_COLD_MS][lane]
    age_ms = max(0, now_ms - warm_ms) * speed // on.FULL_SPEED_PPM
    rest = estimates.remaining_ms(farm, name, age_ms, ppm)
    return max(0, warm_ms - now_ms) + max(1, seats.span_ms(rest, speed))


def start_heads(farm: Farm, why: int) -> int:
    """Start what is planned first on each free lane. Where it has no room beside what runs there, the next that has goes
    ahead, unless the job is overdue: then the lane waits for it. Returns how many started."""
    sheet = farm.scratch
    now_ms, started = sheet[on.FRAME][on.NOW_MS], 0
    for seat in range(sheet[on.FRAME][on.SEATS]):
        if sheet[on.FREE_MS][seat] > now_ms:
            continue
        machine, place = sheet[on.MACHINE][seat], sheet[on.FIRST][seat]
        while place >= 0:
            job = sheet[on.JOB][place]
            if changes.room(farm, machine, sheet[on.ASK][place]):
                changes.start(farm, job, machine, now_ms, why)
                started += 1
                break
            if farm.jobs[JOB_DUE_MS][job] <= now_ms:
                break
            place = sheet[on.NEXT][place]
    return started
