"""Machines kept for jobs that are not there yet, where a person who waits is dearer than a machine that stands by.

How much the load rose within one wake time, window after window, is remembered; the reserve covers all but the share
p/v of those rises that machines which stand idle anyway would not have taken: one more machine would cost p per hour and be waited for at v per hour so seldom that it does not pay.
"""

from penstock.policy.capacity import changes, levels, lists, offers, reasons
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    COMING,
    DELETING,
    IDLE,
    ISLAND_LOAD,
    ISLAND_PENDING,
    ISLAND_RESERVE,
    ISLAND_RISE_AT,
    ISLAND_RISES,
    ISLAND_RUNNING,
    ISLAND_WINDOW_FROM,
    ISLAND_WINDOW_MOST,
    ISLAND_WINDOW_MS,
    MACHINE_BEFORE,
    MACHINE_FREE,
    OPEN,
    POOL_BOOT_MS,
    POOL_ISLAND,
    POOL_LEAST,
    POOL_MACHINES,
    POOL_OWNED,
    POOL_PRICE,
    POOL_RESUME_MS,
    POOL_SLOTS,
    RISES_KEPT,
    RULE_BURST,
    RULE_POOLS,
    RULE_WAIT_PRICE,
    STOPPED,
    Farm,
)

SHORTEST_WINDOW_MS, LONGEST_WINDOW_MS = 45_000, 90_000


def pool_of(farm: Farm, island: int) -> int:
    """The cheapest rented pool of the island, where waiting is dearer than it; -1 = no reserve is worth anything."""
    found = -1
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] != island or farm.pools[POOL_OWNED][pool]:
            continue
        if farm.pools[POOL_LEAST][pool] < 0:
            continue
        if farm.pools[POOL_BOOT_MS][pool] < 0 or farm.pools[POOL_PRICE][pool] >= farm.rules[RULE_WAIT_PRICE]:
            continue
        if found < 0 or farm.pools[POOL_PRICE][pool] < farm.pools[POOL_PRICE][found]:
            found = pool
    return found


def watch(farm: Farm, island: int, pool: int) -> None:
    """Note the load; at the end of a window remember how much it rose in it."""
    islands, now_ms = farm.islands, farm.scratch[on.FRAME][on.NOW_MS]
    load = islands[ISLAND_PENDING][island] + islands[ISLAND_RUNNING][island]
    wake_ms = farm.pools[POOL_RESUME_MS if levels.suspends(farm, pool) else POOL_BOOT_MS][pool]
    window_ms = max(SHORTEST_WINDOW_MS, min(LONGEST_WINDOW_MS, wake_ms))
    passed = (now_ms - islands[ISLAND_WINDOW_MS][island]) // window_ms
    if passed > 0:
        before = islands[ISLAND_LOAD][island]
        rise = islands[ISLAND_WINDOW_MOST][island] - islands[ISLAND_WINDOW_FROM][island]
        _remember(farm, island, max(0, rise))
        for _ in range(min(passed - 1, RISES_KEPT)):
            _remember(farm, island, 0)
        islands[ISLAND_WINDOW_MS][island] += passed * window_ms
        islands[ISLAND_WINDOW_FROM][island], islands[ISLAND_WINDOW_MOST][island] = before, 0
        islands[ISLAND_RESERVE][island] = _quantile(farm, island, pool)
    islands[ISLAND_WINDOW_MOST][island] = max(islands[ISLAND_WINDOW_MOST][island], load)


def note(farm: Farm, island: int) -> None:
    """Note what could run without waking a machine, the reserve left out: what rises are counted from."""
    islands = farm.islands
    load = islands[ISLAND_PENDING][island] + islands[ISLAND_RUNNING][island]
    spare = standing_by(farm, island) - islands[ISLAND_RESERVE][island]
    islands[ISLAND_LOAD][island] = load + max(0, spare)


def _remember(farm: Farm, island: int, rise: int) -> None:
    islands = farm.islands
    at = islands[ISLAND_RISE_AT][island]
    farm.rises[island][at] = rise
    islands[ISLAND_RISE_AT][island] = (at + 1) % RISES_KEPT
    islands[ISLAND_RISES][island] = min(RISES_KEPT, islands[ISLAND_RISES][island] + 1)


def _quantile(farm: Farm, island: int, pool: int) -> int:
    """The rise that is exceeded only so seldom that covering it would not pay."""
    sheet, kept = farm.scratch, farm.islands[ISLAND_RISES][island]
    for at in range(kept):
        sheet[on.KEY][at], sheet[on.ORDER][at] = farm.rises[island][at], at
    on.rank(sheet, kept)
    beyond = kept * farm.pools[POOL_PRICE][pool] // farm.rules[RULE_WAIT_PRICE]
    return sheet[on.KEY][sheet[on.ORDER][max(0, kept - 1 - beyond)]]


def standing_by(farm: Farm, island: int) -> int:
    """Lanes that are free or coming, less the jobs that wait for one."""
    lanes = -farm.islands[ISLAND_PENDING][island]
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] != island:
            continue
        whole = lists.count(farm, pool, IDLE) + lists.count(farm, pool, COMING)
        lanes += whole * farm.pools[POOL_SLOTS][pool]
        machine = lists.last(farm, pool, OPEN)
        while machine >= 0:
            lanes += farm.machines[MACHINE_FREE][machine]
            machine = farm.machines[MACHINE_BEFORE][machine]
    return lanes


def idle(farm: Farm, island: int) -> bool:
    """Whether a machine stands idle."""
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island and lists.count(farm, pool, IDLE) > 0:
            return True
    return False


def order(farm: Farm, island: int, pool: int) -> None:
    """Order what the reserve lacks: suspended machines first."""
    lacking = farm.islands[ISLAND_RESERVE][island] - standing_by(farm, island)
    while lacking > 0:
        if not _one_more(farm, pool, reasons.RESERVE):
            return
        lacking -= farm.pools[POOL_SLOTS][pool]


def keep_least(farm: Farm, pool: int) -> None:
    """A pool has at least so many machines, from the start."""
    pools = farm.pools
    while pools[POOL_MACHINES][pool] - lists.count(farm, pool, DELETING) < pools[POOL_LEAST][pool]:
        if not _one_more(farm, pool, reasons.LEAST):
            return


def has_least(farm: Farm, island: int) -> bool:
    """Whether a rented pool of the island has machines before anybody needs them: then it is decided about from the start."""
    for pool in range(farm.rules[RULE_POOLS]):
        here = farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0
        if here and farm.pools[POOL_LEAST][pool] > 0:
            return True
    return False


def _one_more(farm: Farm, pool: int, why: int) -> bool:
    """Order one more machine, if that may be."""
    now_ms = farm.scratch[on.FRAME][on.NOW_MS]
    machine = lists.last(farm, pool, STOPPED)
    if farm.rules[RULE_BURST] != 0 or offers.paused(farm, pool):
        return False
    if machine < 0 and not offers.orderable(farm, pool, 0):
        return False
    if not offers.token(farm, pool, now_ms):
        return False
    if machine < 0:
        return changes.boot(farm, pool, now_ms, why) >= 0
    changes.resume(farm, machine, now_ms, why)
    return True


def holds(farm: Farm, island: int, pool: int) -> bool:
    """Whether stopping one machine would leave less than the reserve."""
    reserve = farm.islands[ISLAND_RESERVE][island]
    if farm.pools[POOL_LEAST][pool] < 0:
        return False
    return reserve > 0 and standing_by(farm, island) - farm.pools[POOL_SLOTS][pool] < reserve
