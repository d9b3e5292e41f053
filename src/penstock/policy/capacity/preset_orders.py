"""What a preset orders: machines for waiting jobs that none is coming for, spare ones, and the pool's least number.

Level-triggered: what is missing is counted anew at each look from jobs and machines, so no lost event is lost demand.
A machine that is coming counts once - except where a preset is known to count it twice.
"""

from penstock.policy.capacity import changes, lists
from penstock.policy.capacity.columns import (
    ASK_CORES,
    ASK_FIRST,
    ASK_ISLAND,
    ASK_MEMORY_MB,
    ASK_NEXT,
    ASK_PENDING,
    ASK_STRICT,
    COMING,
    DELETING,
    FULL,
    HEAD_FREE_ROWS,
    HOLDS,
    IDLE,
    ISLAND_ASKS,
    ISLAND_OF_OWN,
    ISLAND_PENDING,
    JOB_ASK_AFTER,
    JOB_DUE_MS,
    JOB_READY_MS,
    MACHINE_AFTER,
    MACHINE_BOOTED_MS,
    NEVER_MS,
    OPEN,
    POOL_BOOT_MS,
    POOL_CORES,
    POOL_ISLAND,
    POOL_KEEP,
    POOL_LEAST,
    POOL_MACHINES,
    POOL_MEMORY_MB,
    POOL_MOST,
    POOL_OWNED,
    POOL_PAUSED_MS,
    POOL_PRICE,
    POOL_RESUME_MS,
    POOL_SLOTS,
    POOL_TAKEN,
    RULE_BURST,
    RULE_POOLS,
    STOPPED,
    Farm,
)
from penstock.policy.capacity.preset_numbers import (
    AGE_MS,
    FRESH_MS,
    LAST_MOMENT,
    MILLION,
    OLD_PPM,
    RATIO_PPM,
    SCALE_PPM,
    SPARE,
    SPARE_MOST,
    TWICE,
    WHY_CANCELLED,
    WHY_LEAST,
    WHY_SPARE,
    WHY_WAITING,
)

OWN_COUNTS_MS = ISLAND_OF_OWN + 3
"""When the next of the pending jobs that are not counted yet is."""


def order(farm: Farm, island: int, now_ms: int) -> None:
    """Order what is missing on one island; fixes OWN_COUNTS_MS."""
    farm.islands[OWN_COUNTS_MS][island] = NEVER_MS
    for pool in range(farm.rules[RULE_POOLS]):
        farm.pools[POOL_TAKEN][pool] = (
            0 if farm.pools[POOL_ISLAND][pool] == island else farm.pools[POOL_TAKEN][pool]
        )
    ask = farm.islands[ISLAND_ASKS][island]
    while ask >= 0:
        _order_for_jobs(farm, ask, now_ms)
        ask = farm.asks[ASK_NEXT][ask]
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island:
            _order_spare(farm, pool, now_ms)
            while is_short(farm, pool, now_ms):
                changes.boot(farm, pool, now_ms, WHY_LEAST)


def is_short(farm: Farm, pool: int, now_ms: int) -> bool:
    """Whether a rented pool has fewer machines than it must have, and one can be ordered."""
    least = max(farm.pools[POOL_LEAST][pool], farm.pools[POOL_KEEP][pool])
    there = farm.pools[POOL_MACHINES][pool] - lists.count(farm, pool, DELETING)
    return farm.pools[POOL_OWNED][pool] == 0 and there < least and _bootable(farm, pool, now_ms)


def orderable(farm: Farm, ask: int, now_ms: int) -> int:
    """The cheapest rented pool, by the job, that could give a machine for the ask now; -1 when none could."""
    best, least = -1, 0
    if not may_rent(farm, ask):
        return best
    for pool in range(farm.rules[RULE_POOLS]):
        fits = fit(farm, ask, pool)
        if fits == 0 or not (_resumable(farm, pool, now_ms) or _bootable(farm, pool, now_ms)):
            continue
        price = farm.pools[POOL_PRICE][pool] * 1000 // fits
        if best < 0 or price < least:
            best, least = pool, price
    return best


def missing_spare(farm: Farm, pool: int, now_ms: int) -> int:
    """How many lanes a rented pool is to keep idle that are neither there nor coming; 0 where none can be ordered.

    Counted by pool, as `preset_stops` does, however many asks share it: lanes do not know who they are spare for.
    """
    if farm.pools[POOL_OWNED][pool] or (farm.rules[SPARE] == 0 and farm.rules[SCALE_PPM] == 0):
        return 0
    slots = farm.pools[POOL_SLOTS][pool]
    coming = lists.count(farm, pool, COMING) * MILLION - farm.pools[POOL_TAKEN][pool]
    idle = lists.count(farm, pool, IDLE) * slots + coming // (MILLION // slots)
    missing = spare(farm, in_use(farm, pool)) - idle
    if missing <= 0 or not (_resumable(farm, pool, now_ms) or _bootable(farm, pool, now_ms)):
        return 0
    return missing if _is_of_use(farm, pool) else 0


def _is_of_use(farm: Farm, pool: int) -> bool:
    """Whether any ask may have machines of the pool."""
    ask = farm.islands[ISLAND_ASKS][farm.pools[POOL_ISLAND][pool]]
    while ask >= 0:
        if may_rent(farm, ask) and fit(farm, ask, pool) > 0:
            return True
        ask = farm.asks[ASK_NEXT][ask]
    return False


def may_rent(farm: Farm, ask: int) -> bool:
    """Whether machines may be rented for the ask: for all, for strict ones, for none."""
    return farm.rules[RULE_BURST] == 0 or (farm.rules[RULE_BURST] == 1 and farm.asks[ASK_STRICT][ask] != 0)


def in_use(farm: Farm, pool: int) -> int:
    """Lanes of machines that run something."""
    return (lists.count(farm, pool, OPEN) + lists.count(farm, pool, FULL)) * farm.pools[POOL_SLOTS][pool]


def spare(farm: Farm, used: int) -> int:
    """Room for how many jobs is kept idle beside so many lanes in use."""
    share = (used * farm.rules[SCALE_PPM] + MILLION - 1) // MILLION
    most = farm.rules[SPARE_MOST]
    wanted = max(share, farm.rules[SPARE])
    return min(wanted, most) if most > 0 else wanted


def fit(farm: Farm, ask: int, pool: int) -> int:
    """How many jobs of the ask one machine of a rented pool takes at a time; 0 where it takes none."""
    if farm.suits[ask][pool] == 0 or farm.pools[POOL_OWNED][pool]:
        return 0
    found = farm.pools[POOL_SLOTS][pool]
    cores, memory_mb = farm.asks[ASK_CORES][ask], farm.asks[ASK_MEMORY_MB][ask]
    if farm.pools[POOL_CORES][pool] > 0 and cores > 0:
        found = min(found, farm.pools[POOL_CORES][pool] // cores)
    if farm.pools[POOL_CORES][pool] > 0 and farm.pools[POOL_MEMORY_MB][pool] > 0 and memory_mb > 0:
        found = min(found, farm.pools[POOL_MEMORY_MB][pool] // memory_mb)
    return found


def _order_for_jobs(farm: Farm, ask: int, now_ms: int) -> None:
    """Order machines for the ask's pending jobs that nothing is coming for."""
    if farm.asks[ASK_PENDING][ask] == 0:
        return
    coming = _coming(farm, ask)
    missing = _uncovered(farm, ask, _counted(farm, ask, now_ms))
    if missing == 0:
        return
    missing -= _thought_of(farm, ask, now_ms)
    missing = (max(0, missing) * farm.rules[RATIO_PPM] + MILLION - 1) // MILLION
    if farm.rules[TWICE]:
        missing -= coming
    _order_lanes(farm, ask, missing, now_ms)


def _counted(farm: Farm, ask: int, now_ms: int) -> int:
    """How many pending jobs of the ask are old enough, or near enough to their deadline, to count."""
    if farm.rules[AGE_MS] == 0 and farm.rules[LAST_MOMENT] == 0:
        return farm.asks[ASK_PENDING][ask]
    lead_ms = _lead_ms(farm, ask, now_ms)
    job, found = farm.asks[ASK_FIRST][ask], 0
    while job >= 0:
        moment_ms = _counts_ms(farm, job, lead_ms)
        if moment_ms > now_ms:
            island = farm.asks[ASK_ISLAND][ask]
            farm.islands[OWN_COUNTS_MS][island] = min(farm.islands[OWN_COUNTS_MS][island], moment_ms)
            return found
        found += 1
        job = farm.jobs[JOB_ASK_AFTER][job]
    return found


def _counts_ms(farm: Farm, job: int, lead_ms: int) -> int:
    if farm.rules[LAST_MOMENT]:
        return farm.jobs[JOB_DUE_MS][job] - lead_ms
    return farm.jobs[JOB_READY_MS][job] + farm.rules[AGE_MS]


def _lead_ms(farm: Farm, ask: int, now_ms: int) -> int:
    """How long before its deadline a machine for the job must be ordered."""
    pool = orderable(farm, ask, now_ms)
    if pool < 0:
        return 0
    field = POOL_RESUME_MS if _resumable(farm, pool, now_ms) else POOL_BOOT_MS
    return farm.pools[field][pool]


def _coming(farm: Farm, ask: int) -> int:
    """Room of the machines that are coming, for jobs of the ask."""
    found = 0
    for pool in range(farm.rules[RULE_POOLS]):
        found += lists.count(farm, pool, COMING) * fit(farm, ask, pool)
    return found


def _uncovered(farm: Farm, ask: int, jobs: int) -> int:
    """Give the jobs room on machines that are coming; returns how many are left."""
    for pool in range(farm.rules[RULE_POOLS]):
        fits = fit(farm, ask, pool)
        if fits == 0:
            continue
        share = MILLION // fits
        left = lists.count(farm, pool, COMING) * MILLION - farm.pools[POOL_TAKEN][pool]
        taken = min(jobs, max(0, left) // share)
        farm.pools[POOL_TAKEN][pool] += taken * share
        jobs -= taken
    return jobs


def _thought_of(farm: Farm, ask: int, now_ms: int) -> int:
    """How many jobs machines that are up are thought to take soon: one each that is fresh, and a share of the others."""
    if farm.rules[FRESH_MS] == 0 and farm.rules[OLD_PPM] == 0:
        return 0
    fresh = old = 0
    for pool in range(farm.rules[RULE_POOLS]):
        if fit(farm, ask, pool) > 0:
            of_pool = _fresh(farm, pool, OPEN, now_ms) + _fresh(farm, pool, FULL, now_ms)
            fresh += of_pool
            old += lists.count(farm, pool, OPEN) + lists.count(farm, pool, FULL) - of_pool
    return fresh + old * farm.rules[OLD_PPM] // MILLION


def _fresh(farm: Farm, pool: int, state: int, now_ms: int) -> int:
    found = 0
    machine = lists.first(farm, pool, state)
    while machine >= 0:
        found += now_ms - farm.machines[MACHINE_BOOTED_MS][machine] < farm.rules[FRESH_MS]
        machine = farm.machines[MACHINE_AFTER][machine]
    return found


def _order_lanes(farm: Farm, ask: int, lanes: int, now_ms: int) -> None:
    """Order machines until there is room for so many jobs of the ask, as far as there are any."""
    while lanes > 0:
        pool = orderable(farm, ask, now_ms)
        if pool < 0:
            return
        _order_one(farm, pool, WHY_WAITING, now_ms)
        fits = fit(farm, ask, pool)
        farm.pools[POOL_TAKEN][pool] += min(fits, lanes) * (MILLION // fits)
        lanes -= fits


def _order_spare(farm: Farm, pool: int, now_ms: int) -> None:
    """Order what the pool lacks of idle lanes."""
    while missing_spare(farm, pool, now_ms) > 0:
        _order_one(farm, pool, WHY_SPARE, now_ms)


def _order_one(farm: Farm, pool: int, why: int, now_ms: int) -> None:
    """One more machine: woken where one is suspended."""
    if _resumable(farm, pool, now_ms):
        changes.resume(farm, lists.last(farm, pool, STOPPED), now_ms, why)
    else:
        changes.boot(farm, pool, now_ms, why)


def _resumable(farm: Farm, pool: int, now_ms: int) -> bool:
    return lists.count(farm, pool, STOPPED) > 0 and _open(farm, pool, now_ms)


def _bootable(farm: Farm, pool: int, now_ms: int) -> bool:
    """Whether one more machine may be and can be ordered: machines that are being deleted count until they are gone."""
    pools = farm.pools
    most = pools[POOL_MOST][pool]
    below = most < 0 or pools[POOL_MACHINES][pool] < most
    return below and _open(farm, pool, now_ms) and farm.head[HEAD_FREE_ROWS] > 0


def _open(farm: Farm, pool: int, now_ms: int) -> bool:
    """Whether anything is ordered in the pool now."""
    return now_ms >= farm.pools[POOL_PAUSED_MS][pool] and farm.pools[POOL_LEAST][pool] != HOLDS


def cancel(farm: Farm, island: int, now_ms: int) -> None:
    """Give back what is coming and what no waiting job needs any more, ordered last first."""
    wanted = farm.islands[ISLAND_PENDING][island]
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] != island:
            continue
        slots = farm.pools[POOL_SLOTS][pool]
        while (
            farm.pools[POOL_LEAST][pool] != HOLDS
            and lists.count(farm, pool, COMING) * slots >= wanted + slots
        ):
            changes.delete(farm, lists.last(farm, pool, COMING), now_ms, WHY_CANCELLED)
        wanted = max(0, wanted - lists.count(farm, pool, COMING) * slots)
