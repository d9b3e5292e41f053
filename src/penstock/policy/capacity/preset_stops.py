"""What a preset lets go: idle machines that are due, used up ones at once, suspended ones after long.

Machines that are idle for longest stand first in their list, so most looks see one machine of each pool.
"""

from penstock.policy.capacity import changes, lists
from penstock.policy.capacity.columns import (
    DELETING,
    DRAINED,
    FULL,
    HOLDS,
    IDLE,
    ISLAND_ADDED_MS,
    ISLAND_FAILED_MS,
    ISLAND_LOOKED_MS,
    ISLAND_OF_OWN,
    KEEPS,
    MACHINE_AFTER,
    MACHINE_BEFORE,
    MACHINE_FLAGS,
    MACHINE_POOL,
    MACHINE_SINCE_MS,
    MACHINE_STOP_MS,
    NEVER_MS,
    OPEN,
    POOL_GONE_MS,
    POOL_ISLAND,
    POOL_KEEP,
    POOL_LEAST,
    POOL_MACHINES,
    POOL_OWNED,
    POOL_PEAK,
    POOL_RESUME_MS,
    POOL_SLOTS,
    POOL_STOP_MS,
    POOL_STOPPED_PRICE,
    RULE_POOLS,
    STOPPED,
    Farm,
)
from penstock.policy.capacity.preset_numbers import (
    AFTER_ADD_MS,
    AFTER_FAILURE_MS,
    GONE_MS,
    PAID_MS,
    PERIOD_MS,
    STOP_LOOK_MS,
    STOPS_MOST,
    SUSPEND,
    SUSPEND_ALWAYS,
    SUSPEND_NEVER,
    WHY_HELD,
    WHY_IDLE,
    WHY_PERIOD,
    WHY_USED_UP,
)
from penstock.policy.capacity.preset_orders import in_use, spare
from penstock.policy.capacity.preset_rest import edge_ms, tick_ms

OWN_STOP_MS = ISLAND_OF_OWN + 1
OWN_GONE_MS = ISLAND_OF_OWN + 2
"""Before these moments no idle machine is due to be stopped, no suspended one to be deleted."""
AGAIN_MS = 60_000
"""What sleeps where nothing is to be deleted is looked at again after so long."""
OWN_BLOCKED = ISLAND_OF_OWN + 4
"""1 = something was due but is kept as spare, or because the pool must have it."""
OWN_PERIOD = ISLAND_OF_OWN + 5
"""The running period plus one; 0 = none has begun."""


def sweep(farm: Farm, island: int, now_ms: int) -> None:
    """Take note of what became idle or suspended since the last look; delete what is used up or was suspended for long."""
    farm.islands[OWN_GONE_MS][island] = NEVER_MS
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0:
            _note_idle(farm, pool, now_ms)
            _forget(farm, pool, now_ms)


def stop(farm: Farm, island: int, now_ms: int) -> None:
    """Stop the idle machines that are due and not kept; fixes OWN_STOP_MS."""
    if farm.islands[OWN_BLOCKED][island]:
        _unblock(farm, island, now_ms)
    if now_ms < farm.islands[OWN_STOP_MS][island]:
        return
    farm.islands[OWN_STOP_MS][island] = NEVER_MS
    most = farm.rules[STOPS_MOST]
    left = most if most > 0 else NEVER_MS
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0:
            left = _stop_of_pool(farm, pool, left, now_ms)


def turn(farm: Farm, island: int, now_ms: int) -> None:
    """Where a period of the same number of machines ends: keep as many as it needed, and let the others go."""
    period = now_ms // farm.rules[PERIOD_MS] + 1
    before = farm.islands[OWN_PERIOD][island]
    farm.islands[OWN_PERIOD][island] = period
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] != island or farm.pools[POOL_OWNED][pool]:
            continue
        busy = lists.count(farm, pool, OPEN) + lists.count(farm, pool, FULL)
        if before not in (0, period):
            farm.pools[POOL_KEEP][pool] = farm.pools[POOL_PEAK][pool]
            farm.pools[POOL_PEAK][pool] = busy
            _shrink(farm, pool, now_ms)
        farm.pools[POOL_PEAK][pool] = max(busy, farm.pools[POOL_PEAK][pool])


def turn_ms(farm: Farm, island: int) -> int:
    """When the period ends, if that changes anything."""
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0:
            there = (
                farm.pools[POOL_MACHINES][pool] + farm.pools[POOL_PEAK][pool] + farm.pools[POOL_KEEP][pool]
            )
            if there > 0:
                return farm.islands[OWN_PERIOD][island] * farm.rules[PERIOD_MS]
    return NEVER_MS


def _shrink(farm: Farm, pool: int, now_ms: int) -> None:
    machine = lists.first(farm, pool, IDLE)
    if farm.pools[POOL_LEAST][pool] == HOLDS:
        return
    while machine >= 0 and _there(farm, pool) > max(
        farm.pools[POOL_KEEP][pool], farm.pools[POOL_LEAST][pool]
    ):
        after = farm.machines[MACHINE_AFTER][machine]
        changes.delete(farm, machine, now_ms, WHY_PERIOD)
        machine = after


def _there(farm: Farm, pool: int) -> int:
    return farm.pools[POOL_MACHINES][pool] - lists.count(farm, pool, DELETING)


def _note_idle(farm: Farm, pool: int, now_ms: int) -> None:
    machines, island = farm.machines, farm.pools[POOL_ISLAND][pool]
    machine = lists.last(farm, pool, IDLE)
    while machine >= 0 and machines[MACHINE_SINCE_MS][machine] >= farm.islands[ISLAND_LOOKED_MS][island]:
        before = machines[MACHINE_BEFORE][machine]
        if machines[MACHINE_FLAGS][machine] & DRAINED and farm.pools[POOL_LEAST][pool] != HOLDS:
            changes.delete(farm, machine, now_ms, WHY_USED_UP)
        else:
            _stop_from(farm, island, machines[MACHINE_STOP_MS][machine])
        machine = before


def _stop_from(farm: Farm, island: int, moment_ms: int) -> None:
    due_ms = tick_ms(moment_ms, farm.rules[STOP_LOOK_MS])
    farm.islands[OWN_STOP_MS][island] = min(farm.islands[OWN_STOP_MS][island], due_ms)


def _forget(farm: Farm, pool: int, now_ms: int) -> None:
    """Delete what was suspended for long enough; the one that was for longest stands first."""
    keep_ms = farm.rules[GONE_MS]
    if keep_ms < 0:
        keep_ms = farm.pools[POOL_GONE_MS][pool]
    machine = lists.first(farm, pool, STOPPED)
    while machine >= 0 and _there(farm, pool) > farm.pools[POOL_LEAST][pool]:
        gone_ms = NEVER_MS
        if keep_ms < NEVER_MS:
            gone_ms = farm.machines[MACHINE_SINCE_MS][machine] + keep_ms
        if farm.pools[POOL_LEAST][pool] <= KEEPS:
            gone_ms = max(gone_ms, now_ms + AGAIN_MS)
        if gone_ms > now_ms:
            island = farm.pools[POOL_ISLAND][pool]
            farm.islands[OWN_GONE_MS][island] = min(farm.islands[OWN_GONE_MS][island], gone_ms)
            return
        after = farm.machines[MACHINE_AFTER][machine]
        changes.delete(farm, machine, now_ms, WHY_HELD)
        machine = after


def _unblock(farm: Farm, island: int, now_ms: int) -> None:
    """Where something was kept and need not be any more, look at the next tick."""
    for pool in range(farm.rules[RULE_POOLS]):
        rented = farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0
        if rented and lists.count(farm, pool, IDLE) > 0 and _dispensable(farm, pool):
            farm.islands[OWN_BLOCKED][island] = 0
            _stop_from(farm, island, now_ms)


def _stop_of_pool(farm: Farm, pool: int, left: int, now_ms: int) -> int:
    """Stop what is due in one pool, at most `left` machines; returns how many may still be stopped."""
    machine, island = lists.first(farm, pool, IDLE), farm.pools[POOL_ISLAND][pool]
    stops = farm.machines[MACHINE_STOP_MS]
    if farm.pools[POOL_LEAST][pool] == HOLDS:
        _stop_from(farm, island, now_ms + AGAIN_MS)
        return left
    while machine >= 0:
        after = farm.machines[MACHINE_AFTER][machine]
        due_ms = _due_ms(farm, machine, left, now_ms)
        if due_ms > now_ms:
            stopped_later = stops[machine] > now_ms
            _stop_from(farm, island, due_ms)
            if not stopped_later or farm.rules[PAID_MS] == 0:
                return left
        elif not _dispensable(farm, pool):
            farm.islands[OWN_BLOCKED][island] = 1
            return left
        else:
            _stop_one(farm, machine, now_ms)
            left -= 1
        machine = after
    return left


def _due_ms(farm: Farm, machine: int, left: int, now_ms: int) -> int:
    """When the machine may be stopped, as far as time is concerned; after the edge of a paid period, at the next one."""
    stops = farm.machines[MACHINE_STOP_MS]
    island = farm.pools[POOL_ISLAND][farm.machines[MACHINE_POOL][machine]]
    if stops[machine] <= now_ms:
        stops[machine] = max(stops[machine], edge_ms(farm, machine, now_ms))
    added_ms = farm.islands[ISLAND_ADDED_MS][island] + farm.rules[AFTER_ADD_MS]
    failed_ms = farm.islands[ISLAND_FAILED_MS][island] + farm.rules[AFTER_FAILURE_MS]
    return max(stops[machine], max(added_ms, failed_ms), now_ms + 1 if left == 0 else 0)


def _dispensable(farm: Farm, pool: int) -> bool:
    """Whether one idle machine less still leaves the spare ones and the least number."""
    slots = farm.pools[POOL_SLOTS][pool]
    idle = (lists.count(farm, pool, IDLE) - 1) * slots
    if idle < spare(farm, in_use(farm, pool)):
        return False
    return _suspends(farm, pool) or _there(farm, pool) > farm.pools[POOL_LEAST][pool]


def _suspends(farm: Farm, pool: int) -> bool:
    """Whether what is idle is suspended: where the pool can, and either always or where that pays."""
    rule = farm.rules[SUSPEND]
    if (
        rule == SUSPEND_NEVER
        or farm.pools[POOL_STOPPED_PRICE][pool] < 0
        or farm.pools[POOL_RESUME_MS][pool] < 0
    ):
        return False
    pays = farm.pools[POOL_GONE_MS][pool] > farm.pools[POOL_STOP_MS][pool]
    return rule == SUSPEND_ALWAYS or pays


def _stop_one(farm: Farm, machine: int, now_ms: int) -> None:
    if _suspends(farm, farm.machines[MACHINE_POOL][machine]):
        changes.suspend(farm, machine, now_ms, WHY_IDLE)
    else:
        changes.delete(farm, machine, now_ms, WHY_IDLE)
