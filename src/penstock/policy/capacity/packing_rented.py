"""Jobs that owned lanes do not take in time, packed onto machines that are rented already: idle, coming, busy."""

from penstock.policy.capacity import lanes, lists, offers, pending, reasons, seats
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ASK_STRICT,
    ISLAND_OWNED,
    JOB_DUE_MS,
    JOB_PLAN_MS,
    JOB_WHY,
    POOL_BOOT_MS,
    POOL_OWNED,
    POOL_RESUME_MS,
    RULE_BURST,
    STOPPED,
    Farm,
)
from penstock.policy.capacity.packing_owned import FIRST_OF_ALL

URGENT_MS = 1000
"""How long before the last moment for booting a machine a job counts as urgent."""


def pack(farm: Farm, island: int) -> int:
    """Plan what is left over, and start what is first on idle machines. Returns how many started.

    A job that no order could serve in time any more and that fits nowhere may wait for the last machine that is coming:
    that or one before it was ordered for it.
    """
    sheet = farm.scratch
    roomiest = _free(farm)
    _limit(farm, island)
    if not _plenty(farm, roomiest):
        _not_free(farm)
    if sheet[on.FRAME][on.SEATS] == 0:
        return 0
    chosen = _order(farm)
    for at in range(chosen):
        place = sheet[on.ORDER][at]
        offers.allow(farm, sheet[on.ASK][place], offers.steady(farm, sheet[on.JOB][place]))
        if seats.first_fit(sheet, place, 0) < 0 and sheet[on.MARK][place] & on.ORDERED:
            sheet[on.DUE_MS][place] = max(sheet[on.DUE_MS][place], sheet[on.FRAME][on.COMING_MS])
            seats.first_fit(sheet, place, 0)
    return lanes.start_heads(farm, reasons.ON_RENTED)


def _free(farm: Farm) -> int:
    """Seats of rented machines that are free now. Returns the pool with most of them, -1 = there are none; ROOM has how
    many those are."""
    frame, pools = farm.scratch[on.FRAME], farm.scratch[on.POOLS]
    seats.clear(farm.scratch)
    frame[on.COMING_MS] = frame[on.ROOM] = 0
    roomiest = -1
    for at in range(frame[on.POOLS_HERE]):
        before = frame[on.SEATS]
        if farm.pools[POOL_OWNED][pools[at]] == 0:
            lanes.free(farm, pools[at], frame[on.PLACES])
        if frame[on.SEATS] - before > frame[on.ROOM]:
            roomiest, frame[on.ROOM] = pools[at], frame[on.SEATS] - before
    return roomiest


def _plenty(farm: Farm, pool: int) -> bool:
    """Whether the free lanes of this pool would do for all that is to be planned. Then no other lane need be looked at:
    jobs try free lanes first, each takes at most one that nothing is planned on, and where no pool counts cores one
    of those takes any job."""
    sheet, frame = farm.scratch, farm.scratch[on.FRAME]
    wanted = 0
    if pool < 0 or frame[on.SIZED]:
        return False
    for place in range(frame[on.PLACES]):
        if sheet[on.MARK][place] & (on.LEFT_OVER | on.WHENEVER):
            offers.allow(farm, sheet[on.ASK][place], offers.steady(farm, sheet[on.JOB][place]))
            wanted += 1
            if wanted > frame[on.ROOM] or sheet[on.ALLOWED][pool] == 0:
                return False
    return wanted > 0


def _not_free(farm: Farm) -> None:
    """Seats of machines that are coming, and of busy ones that are free before the last deadline."""
    frame, pools = farm.scratch[on.FRAME], farm.scratch[on.POOLS]
    for at in range(frame[on.POOLS_HERE]):
        if farm.pools[POOL_OWNED][pools[at]] == 0:
            lanes.coming(farm, pools[at])
    for at in range(frame[on.POOLS_HERE]):
        if farm.pools[POOL_OWNED][pools[at]] == 0:
            lanes.note_busy(farm, pools[at], lanes.SURE_PPM)
    lanes.busy(farm, frame[on.PLACES])


def _limit(farm: Farm, island: int) -> None:
    """The latest start of each job that is to be planned."""
    sheet, frame = farm.scratch, farm.scratch[on.FRAME]
    alone, now_ms = farm.islands[ISLAND_OWNED][island] == 0, frame[on.NOW_MS]
    frame[on.HORIZON_MS] = 0
    for place in range(frame[on.PLACES]):
        sheet[on.SEAT][place] = -1
        due_ms = on.ENDLESS_MS
        if sheet[on.MARK][place] & on.LEFT_OVER:
            due_ms = latest_ms(farm, place)
            pool = sheet[on.POOL][place]
            if due_ms - now_ms <= farm.pools[POOL_BOOT_MS][pool] + URGENT_MS + frame[on.EARLY_MS]:
                sheet[on.MARK][place] |= on.URGENT
            if due_ms - now_ms < _wake_ms(farm, pool):
                sheet[on.MARK][place] |= on.ORDERED
            due_ms = max(due_ms, now_ms)
        elif alone and sheet[on.MARK][place] & on.LATE:
            sheet[on.MARK][place] |= on.WHENEVER
        else:
            continue
        sheet[on.DUE_MS][place] = due_ms
        frame[on.HORIZON_MS] = max(frame[on.HORIZON_MS], due_ms)


def _wake_ms(farm: Farm, pool: int) -> int:
    """How soon an order would bring a machine."""
    if farm.scratch[on.FRAME][on.GUARD] == 0 and lists.count(farm, pool, STOPPED) > 0:
        return farm.pools[POOL_RESUME_MS][pool]
    return farm.pools[POOL_BOOT_MS][pool]


def _order(farm: Farm) -> int:
    """Put the jobs in order: urgent ones by deadline, then the longest first. Returns how many."""
    sheet, chosen = farm.scratch, 0
    for place in range(sheet[on.FRAME][on.PLACES]):
        mark = sheet[on.MARK][place]
        if mark & (on.LEFT_OVER | on.WHENEVER) == 0:
            continue
        sheet[on.ORDER][chosen] = place
        chosen += 1
        sheet[on.KEY][place] = -sheet[on.WORK_MS][place]
        if mark & on.URGENT:
            sheet[on.KEY][place] = latest_ms(farm, place) - FIRST_OF_ALL
        if farm.rules[RULE_BURST] != 0 and farm.asks[ASK_STRICT][sheet[on.ASK][place]]:
            sheet[on.KEY][place] -= FIRST_OF_ALL
    on.rank(sheet, chosen)
    return chosen


def latest_ms(farm: Farm, place: int) -> int:
    """Until when a job that is left over may wait for a machine: its deadline, or until waiting is dearer than a start."""
    return min(pending.due_ms(farm, place), pending.allowed_ms(farm, place, 0))


def leave_over(farm: Farm) -> int:
    """Keep the mark of those that no rented machine takes in time. Returns how many there are."""
    sheet, left = farm.scratch, 0
    for place in range(sheet[on.FRAME][on.PLACES]):
        if sheet[on.MARK][place] & on.LEFT_OVER:
            seat = sheet[on.SEAT][place]
            if seat < 0 or _doubtful(farm, place):
                left += 1
                continue
            sheet[on.MARK][place] &= ~on.LEFT_OVER
            busy, job = sheet[on.BUSY][seat], sheet[on.JOB][place]
            farm.jobs[JOB_WHY][job] = reasons.WAITS_FOR_BUSY if busy else reasons.WAITS_FOR_COMING
            farm.jobs[JOB_PLAN_MS][job] = sheet[on.FREE_MS][seat]
    sheet[on.FRAME][on.LEFT_PLACES] = left
    return left


def _doubtful(farm: Farm, place: int) -> bool:
    """Whether, with the guard on, a job at its last moment would wait behind one that runs."""
    sheet, frame = farm.scratch, farm.scratch[on.FRAME]
    if frame[on.GUARD] == 0:
        return False
    seat = sheet[on.SEAT][place]
    due_ms = farm.jobs[JOB_DUE_MS][sheet[on.JOB][place]]
    boot_ms = farm.pools[POOL_BOOT_MS][sheet[on.POOL][place]]
    if due_ms - frame[on.NOW_MS] > boot_ms + frame[on.EARLY_MS]:
        return False
    return sheet[on.BUSY][seat] != 0
