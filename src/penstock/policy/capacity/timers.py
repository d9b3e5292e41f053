"""Machines that have idled or been suspended for long enough, and moments at which waiting jobs must be looked at again."""

from penstock.policy.capacity import changes, levels, lists, pending, reasons, reserve
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    DELETING,
    DRAINED,
    HOLDS,
    IDLE,
    ISLAND_FAILED_MS,
    ISLAND_TIMER_MS,
    JOB_DUE_MS,
    KEEPS,
    MACHINE_AFTER,
    MACHINE_FLAGS,
    MACHINE_GONE_MS,
    MACHINE_STOP_MS,
    NEVER_MS,
    NOTICED,
    PINNED,
    POOL_BOOT_MS,
    POOL_ISLAND,
    POOL_LEAST,
    POOL_MACHINES,
    POOL_OWNED,
    POOL_RESUME_MS,
    RULE_POOLS,
    RULE_WAIT_PRICE,
    STOPPED,
    Farm,
)

AGAIN_MS = 60_000
"""When what is held although it idled for long enough is looked at again."""
SHAKEN_MS = 180_000
"""For how long nothing is given up after a machine that was ordered did not come."""


def stop(farm: Farm, island: int) -> None:
    """Suspend or delete what is due; nobody looks through the machines before something can be."""
    islands, frame = farm.islands, farm.scratch[on.FRAME]
    if islands[ISLAND_TIMER_MS][island] <= frame[on.NOW_MS]:
        islands[ISLAND_TIMER_MS][island] = NEVER_MS
        for pool in range(farm.rules[RULE_POOLS]):
            if farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0:
                _stop_idle(farm, pool)
                _delete_stopped(farm, pool)
    on.wake_at(farm.scratch, islands[ISLAND_TIMER_MS][island])


def _next(farm: Farm, island: int, moment_ms: int) -> None:
    farm.islands[ISLAND_TIMER_MS][island] = min(farm.islands[ISLAND_TIMER_MS][island], moment_ms)


def _stop_idle(farm: Farm, pool: int) -> None:
    now_ms, machines = farm.scratch[on.FRAME][on.NOW_MS], farm.machines
    machine = lists.first(farm, pool, IDLE)
    while machine >= 0:
        after = machines[MACHINE_AFTER][machine]
        if machines[MACHINE_STOP_MS][machine] > now_ms:
            _next(farm, farm.pools[POOL_ISLAND][pool], machines[MACHINE_STOP_MS][machine])
        elif machines[MACHINE_FLAGS][machine] & PINNED:
            machines[MACHINE_STOP_MS][machine] = NEVER_MS
        elif farm.pools[POOL_LEAST][pool] == HOLDS:
            _next(farm, farm.pools[POOL_ISLAND][pool], now_ms + AGAIN_MS)
        elif machines[MACHINE_FLAGS][machine] & (DRAINED | NOTICED):
            changes.delete(farm, machine, now_ms, reasons.USED_UP)
        elif _shaken(farm, pool) or reserve.holds(farm, farm.pools[POOL_ISLAND][pool], pool):
            _next(farm, farm.pools[POOL_ISLAND][pool], now_ms + AGAIN_MS)
        elif levels.suspends(farm, pool):
            changes.suspend(farm, machine, now_ms, reasons.IDLE_LONG_ENOUGH)
        elif not spare(farm, pool):
            machines[MACHINE_STOP_MS][machine] = NEVER_MS
        else:
            changes.delete(farm, machine, now_ms, reasons.IDLE_LONG_ENOUGH)
        machine = after


def _shaken(farm: Farm, pool: int) -> bool:
    """Whether a machine that was ordered did not come lately: what there is, is not given up then."""
    failed_ms = farm.islands[ISLAND_FAILED_MS][farm.pools[POOL_ISLAND][pool]]
    return failed_ms > 0 and farm.scratch[on.FRAME][on.NOW_MS] < failed_ms + SHAKEN_MS


def _delete_stopped(farm: Farm, pool: int) -> None:
    now_ms, machines = farm.scratch[on.FRAME][on.NOW_MS], farm.machines
    machine = lists.first(farm, pool, STOPPED)
    while machine >= 0:
        after = machines[MACHINE_AFTER][machine]
        if machines[MACHINE_GONE_MS][machine] > now_ms:
            _next(farm, farm.pools[POOL_ISLAND][pool], machines[MACHINE_GONE_MS][machine])
        elif farm.pools[POOL_LEAST][pool] <= KEEPS:
            _next(farm, farm.pools[POOL_ISLAND][pool], now_ms + AGAIN_MS)
        elif spare(farm, pool):
            changes.delete(farm, machine, now_ms, reasons.SUSPENDED_LONG_ENOUGH)
        else:
            machines[MACHINE_GONE_MS][machine] = NEVER_MS
        machine = after


def spare(farm: Farm, pool: int) -> bool:
    """Whether the pool has more machines than it must have."""
    machines = farm.pools[POOL_MACHINES][pool] - lists.count(farm, pool, DELETING)
    return machines > farm.pools[POOL_LEAST][pool]


def look_again(farm: Farm) -> None:
    """At the last moments for booting and for resuming a machine, each job is looked at again wherever it is planned; where waiting has
    a price, also when it has waited for as long as that is worth."""
    sheet, pools = farm.scratch, farm.pools
    early_ms, worth = sheet[on.FRAME][on.EARLY_MS], farm.rules[RULE_WAIT_PRICE]
    for place in range(sheet[on.FRAME][on.PLACES]):
        pool = sheet[on.POOL][place]
        if pool < 0:
            continue
        due_ms = farm.jobs[JOB_DUE_MS][sheet[on.JOB][place]]
        if sheet[on.MARK][place] & on.LATE:
            on.wake_at(sheet, due_ms)
            continue
        on.wake_at(sheet, due_ms - pools[POOL_BOOT_MS][pool] - early_ms)
        on.wake_at(sheet, due_ms - max(0, pools[POOL_RESUME_MS][pool]) - early_ms)
        if worth > 0:
            on.wake_at(sheet, pending.allowed_ms(farm, place, sheet[on.WORK_MS][place]) + 1)
