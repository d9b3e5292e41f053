"""Machines to order for jobs that nothing takes in time: suspended ones first, then new ones, as late as possible."""

from penstock.policy.capacity import changes, lanes, lateness, lists, offers, packing_rented, reasons, seats
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ISLAND_BOOTS,
    ISLAND_HELD_MS,
    ISLAND_OWNED,
    ISLAND_RESUMES,
    JOB_PLAN_MS,
    JOB_WHY,
    MACHINE_BEFORE,
    MACHINE_GONE_MS,
    MACHINE_STARTS,
    NEVER_MS,
    POOL_BOOT_MS,
    POOL_COLD_MS,
    POOL_PRICE,
    POOL_RESUME_MS,
    POOL_SLOTS,
    POOL_SPEED_PPM,
    POOL_STOPPED_PRICE,
    RULE_CHAIN_LEAD_MS,
    RULE_POOLS,
    RULE_WAIT_PRICE,
    STOPPED,
    WEIGHT_MARKED,
    WEIGHT_RESCUED,
    Farm,
)
from penstock.policy.capacity.packing_owned import FIRST_OF_ALL


def plan(farm: Farm, island: int) -> None:
    """Pack what is left over onto machines that could be ordered, and order those that cannot wait any longer."""
    sheet = farm.scratch
    frame = sheet[on.FRAME]
    seats.clear(sheet)
    frame[on.EMPTY_SEATS] = 0
    for pool in range(farm.rules[RULE_POOLS]):
        sheet[on.PLANNED][pool] = 0
        sheet[on.FRESHEST][pool] = lists.last(farm, pool, STOPPED)
    chosen, begin = _choose(farm, island), 0
    on.rank(sheet, chosen)
    for at in range(chosen):
        place = sheet[on.ORDER][at]
        offers.allow(farm, sheet[on.ASK][place], offers.steady(farm, sheet[on.JOB][place]))
        offers.curb(farm)
        if sheet[on.MARK][place] & on.ALONE:
            if frame[on.EMPTY_SEATS] > 0 and seats.empty_fit(sheet, place) >= 0:
                frame[on.EMPTY_SEATS] -= 1
                continue
            _plan_another(farm, place)
            begin = frame[on.SEATS]
        elif seats.first_fit(sheet, place, begin) < 0:
            _plan_another(farm, place)
    for group in range(frame[on.GROUPS]):
        _look(farm, island, group)


def _choose(farm: Farm, island: int) -> int:
    """Put the jobs on ORDER: those worth a machine each by deadline, urgent ones by deadline, the rest longest first."""
    sheet, chosen = farm.scratch, 0
    now_ms, places = sheet[on.FRAME][on.NOW_MS], sheet[on.FRAME][on.PLACES]
    for place in range(places):
        if sheet[on.MARK][place] & on.LEFT_OVER == 0:
            continue
        sheet[on.ORDER][chosen], sheet[on.SEAT][place] = place, -1
        chosen += 1
        due_ms = packing_rented.latest_ms(farm, place)
        boot_ms = farm.pools[POOL_BOOT_MS][sheet[on.POOL][place]]
        sheet[on.DUE_MS][place] = max(due_ms, now_ms + boot_ms)
        sheet[on.LATEST_MS][place] = max(due_ms, now_ms)
        why(farm, place, reasons.RENT_STOPPED)
        if _alone(farm, island, place):
            sheet[on.MARK][place] |= on.ALONE
            sheet[on.KEY][place] = due_ms - 2 * FIRST_OF_ALL
        elif sheet[on.MARK][place] & on.URGENT:
            sheet[on.KEY][place] = due_ms - FIRST_OF_ALL
        else:
            sheet[on.KEY][place] = -sheet[on.WORK_MS][place]
    return chosen


def why(farm: Farm, place: int, code: int) -> None:
    """Note why the job waits."""
    job = farm.scratch[on.JOB][place]
    farm.jobs[JOB_WHY][job], farm.jobs[JOB_PLAN_MS][job] = code, NEVER_MS


def _alone(farm: Farm, island: int, place: int) -> bool:
    """Whether it pays to order a machine for the job alone, at its last moment: an owned machine may still take it,
    and that is worth more than a start saved by planning it behind another."""
    if farm.islands[ISLAND_OWNED][island] == 0:
        return False
    sheet, weights = farm.scratch, farm.weights[island]
    rescued = weights[WEIGHT_RESCUED] / weights[WEIGHT_MARKED]
    return rescued * sheet[on.WORK_MS][place] > start_ms(farm, island, sheet[on.POOL][place])


def start_ms(farm: Farm, island: int, pool: int) -> int:
    """Mean rent of one start so far, as running time: waking, cold disks, and keeping disks."""
    pools, islands = farm.pools, farm.islands
    boots, resumes = islands[ISLAND_BOOTS][island], islands[ISLAND_RESUMES][island]
    boot_ms = pools[POOL_BOOT_MS][pool] + pools[POOL_COLD_MS][pool]
    total_ms = (boots + 1) * boot_ms + resumes * max(0, pools[POOL_RESUME_MS][pool])
    if pools[POOL_STOPPED_PRICE][pool] > 0 and pools[POOL_PRICE][pool] > 0:
        total_ms += (
            islands[ISLAND_HELD_MS][island] * pools[POOL_STOPPED_PRICE][pool] // pools[POOL_PRICE][pool]
        )
    return total_ms // (boots + resumes + 1)


def _plan_another(farm: Farm, place: int) -> None:
    """Plan the job on one more machine: the freshest suspended one, or a new one where it is expected to cost least."""
    sheet = farm.scratch
    pool = _stopped_pool(farm)
    machine = -1 if pool < 0 else sheet[on.FRESHEST][pool]
    if machine < 0:
        pool = offers.best(farm, sheet[on.ASK][place], sheet[on.WORK_MS][place], False)
        if pool < 0:
            return
    frame = sheet[on.FRAME]
    group, seat = frame[on.GROUPS], frame[on.SEATS]
    takes = lanes.of_new(farm, pool) if machine < 0 else lanes.takes(farm, machine)
    slots = min(farm.pools[POOL_SLOTS][pool], takes)
    if machine < 0:
        sheet[on.PLANNED][pool] += 1
    else:
        sheet[on.FRESHEST][pool] = farm.machines[MACHINE_BEFORE][machine]
    frame[on.GROUPS] = group + 1
    sheet[on.GROUP_MACHINE][group], sheet[on.GROUP_POOL][group] = machine, pool
    sheet[on.GROUP_FROM][group] = seat
    for slot in range(slots):
        _seat(farm, machine, pool)
        sheet[on.BLOCK][seat + slot], sheet[on.MOST][seat + slot] = (
            slots - slot,
            lanes.share(farm, takes, slots),
        )
    seats.put(sheet, seat, place)
    frame[on.EMPTY_SEATS] += slots - 1


def _stopped_pool(farm: Farm) -> int:
    """The cheapest allowed pool that has a suspended machine not planned on yet, -1 = none."""
    sheet, found = farm.scratch, -1
    for pool in range(farm.rules[RULE_POOLS]):
        machine = sheet[on.FRESHEST][pool]
        while machine >= 0 and lanes.takes(farm, machine) == 0:
            machine = farm.machines[MACHINE_BEFORE][machine]
        sheet[on.FRESHEST][pool] = machine
        if machine < 0 or sheet[on.ALLOWED][pool] == 0 or offers.paused(farm, pool):
            continue
        if found < 0 or farm.pools[POOL_PRICE][pool] < farm.pools[POOL_PRICE][found]:
            found = pool
    return found


def _seat(farm: Farm, machine: int, pool: int) -> None:
    """A lane of a machine that could be ordered."""
    sheet, pools = farm.scratch, farm.pools
    frame = sheet[on.FRAME]
    stopped = machine >= 0 and frame[on.GUARD] == 0
    wake_ms = pools[POOL_RESUME_MS][pool] if stopped else pools[POOL_BOOT_MS][pool]
    seat = seats.add(sheet, machine, pool, frame[on.NOW_MS] + wake_ms)
    seats.pace(sheet, seat, pools[POOL_SPEED_PPM][pool])
    if machine < 0 or farm.machines[MACHINE_STARTS][machine] == 0:
        sheet[on.EXTRA_MS][seat] = pools[POOL_COLD_MS][pool]


def _look(farm: Farm, island: int, group: int) -> None:
    """Order the machine if what is planned on it cannot start any later; else look again when it cannot."""
    sheet = farm.scratch
    slack, jobs = pending_slack_ms(farm, group), 0
    begin = sheet[on.GROUP_FROM][group]
    for seat in range(begin, begin + sheet[on.BLOCK][begin]):
        jobs += sheet[on.COUNT][seat]
    early_ms = sheet[on.FRAME][on.EARLY_MS]
    if jobs > 1:
        early_ms += farm.rules[RULE_CHAIN_LEAD_MS]
    if slack > early_ms and farm.rules[RULE_WAIT_PRICE] == 0:
        on.wake_at(sheet, sheet[on.FRAME][on.NOW_MS] + slack - early_ms)
        _hold(farm, group, sheet[on.FRAME][on.NOW_MS] + slack)
        _tell(farm, group, reasons.WAITS_FOR_LAST_MOMENT)
    elif lateness.spend(farm, island, group, jobs):
        _tell(farm, group, reasons.LATE_ON_PURPOSE)
    else:
        _tell(farm, group, _order(farm, group))


def _hold(farm: Farm, group: int, until_ms: int) -> None:
    """A suspended machine that is planned on is not deleted before it is needed."""
    machine = farm.scratch[on.GROUP_MACHINE][group]
    if machine >= 0:
        farm.machines[MACHINE_GONE_MS][machine] = max(farm.machines[MACHINE_GONE_MS][machine], until_ms + 1)


def _tell(farm: Farm, group: int, code: int) -> None:
    """Note why the jobs planned on the machine wait."""
    sheet = farm.scratch
    begin = sheet[on.GROUP_FROM][group]
    for seat in range(begin, begin + sheet[on.BLOCK][begin]):
        place = sheet[on.FIRST][seat]
        while place >= 0:
            why(farm, place, code)
            place = sheet[on.NEXT][place]


def pending_slack_ms(farm: Farm, group: int) -> int:
    """How much later everything planned on the machine could start."""
    sheet = farm.scratch
    begin = sheet[on.GROUP_FROM][group]
    slack = seats.slack_ms(sheet, begin)
    for seat in range(begin + 1, begin + sheet[on.BLOCK][begin]):
        if sheet[on.COUNT][seat] > 0:
            slack = min(slack, seats.slack_ms(sheet, seat))
    return slack


def _order(farm: Farm, group: int) -> int:
    """Order the machine, as far as the budget and the rate of orders let it. Returns why its jobs wait."""
    sheet = farm.scratch
    now_ms, pool = sheet[on.FRAME][on.NOW_MS], sheet[on.GROUP_POOL][group]
    place = sheet[on.FIRST][sheet[on.GROUP_FROM][group]]
    if not offers.may_burst(farm, sheet[on.ASK][place]):
        return reasons.BUDGET_SPENT
    if not offers.token(farm, pool, now_ms):
        return reasons.RATE_OF_ORDERS
    machine = sheet[on.GROUP_MACHINE][group]
    if machine >= 0:
        changes.resume(farm, machine, now_ms, reasons.NOTHING_ELSE_IN_TIME)
    elif changes.boot(farm, pool, now_ms, reasons.NOTHING_ELSE_IN_TIME) < 0:
        return reasons.RENT_STOPPED
    return reasons.WAITS_FOR_COMING
