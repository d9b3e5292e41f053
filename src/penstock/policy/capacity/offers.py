"""What can be rented: which pools a job may go to, what a finished job is expected to cost there, and what the world says
of orders: backoff, quarantine, quota, the rate of orders."""

from penstock.policy.capacity import lists
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ASK_CORES,
    ASK_ISLAND,
    ASK_MEMORY_MB,
    ASK_STRICT,
    COMING,
    CURBED,
    FULL,
    IDLE,
    ISLAND_FAILED_MS,
    JOB_FLAGS,
    MACHINE_POOL,
    NEVER_MS,
    OPEN,
    POOL_BOOT_MS,
    POOL_COLD_MS,
    POOL_FAILURES,
    POOL_ISLAND,
    POOL_MACHINES,
    POOL_MOST,
    POOL_ORDERS,
    POOL_ORDERS_FAILED,
    POOL_OWNED,
    POOL_PAUSED_MS,
    POOL_PENALTY_MS,
    POOL_PRICE,
    POOL_RECLAIM_PPM,
    POOL_SPEED_PPM,
    POOL_TOKENS,
    POOL_TOKENS_MS,
    RULE_BURST,
    RULE_POOLS,
    RULE_WAIT_PRICE,
    STEADY,
    STOPPED,
    Farm,
)

NO_CAPACITY, NO_QUOTA, THROTTLED, CROWDED = 0, 1, 2, 3
"""Causes of a refused order."""
FIRST_PENALTY_MS, LAST_PENALTY_MS = 180_000, 1_800_000
QUOTA_PENALTY_MS = 900_000
FIRST_CROWDED_MS = 30_000
"""A quota that others share, or that frees itself: so long at first, twice as long each time, as another quota at most."""
THROTTLE_MS = 5_000
CLEAN_MS = 10_800_000
"""After so long without a refusal the next pause is a short one again."""
FAILURES_IN_A_ROW = 3
ORDERS_JUDGED = 20
FAILED_SHARE = 5
"""One failed order in so many of the last ones is too much."""
ORDERS_KEPT = 64
BUCKET = 1000
TOKEN_MS = 500
"""Orders at once, and how long one more takes to come (EC2: 1000, two a second)."""
HOUR_MS = 3_600_000
WORST_EXPONENT = 16.0
TERMS = 48


def allow(farm: Farm, ask: int, steady: int) -> None:
    """Fill ALLOWED for a job. Where another pool suits, strict classes and jobs that were reclaimed once do not go to machines
    that may be reclaimed."""
    sheet = farm.scratch
    frame, allowed = sheet[on.FRAME], sheet[on.ALLOWED]
    if frame[on.ALLOWED_ASK] == ask and frame[on.ALLOWED_STEADY] == steady:
        return
    frame[on.ALLOWED_ASK], frame[on.ALLOWED_STEADY] = ask, steady
    frame[on.NEED_CORES] = farm.asks[ASK_CORES][ask]
    frame[on.NEED_MEMORY_MB] = farm.asks[ASK_MEMORY_MB][ask]
    suits, safe = farm.suits[ask], 0
    frame[on.SOME_CURBED] = 0
    for pool in range(farm.rules[RULE_POOLS]):
        allowed[pool] = suits[pool]
        if suits[pool] >= CURBED:
            frame[on.SOME_CURBED] = 1
        if suits[pool] and farm.pools[POOL_RECLAIM_PPM][pool] == 0:
            safe += 1
    if safe > 0 and (steady or farm.asks[ASK_STRICT][ask]):
        for pool in range(farm.rules[RULE_POOLS]):
            if farm.pools[POOL_RECLAIM_PPM][pool] > 0:
                allowed[pool] = 0


def curb(farm: Farm) -> None:
    """Take pools out of ALLOWED where a guard lets no more be ordered for the job, beside what is planned on the sheet: a machine
    that others order is none that waits for this one, either. Call `allow` before; it fills ALLOWED anew after this."""
    sheet = farm.scratch
    frame = sheet[on.FRAME]
    if frame[on.SOME_CURBED] == 0:
        return
    for at in range(frame[on.POOLS_HERE]):
        pool = sheet[on.POOLS][at]
        if sheet[on.ALLOWED][pool] < CURBED:
            continue
        working = at_work(farm, pool)
        for group in range(frame[on.GROUPS]):
            if sheet[on.GROUP_POOL][group] == pool:
                working += 1
        if working >= sheet[on.ALLOWED][pool] - CURBED:
            sheet[on.ALLOWED][pool] = 0
            frame[on.ALLOWED_ASK] = -1


def at_work(farm: Farm, pool: int) -> int:
    """Machines of a pool that are up or coming."""
    up = lists.count(farm, pool, IDLE) + lists.count(farm, pool, OPEN) + lists.count(farm, pool, FULL)
    return up + lists.count(farm, pool, COMING)


def steady(farm: Farm, job: int) -> int:
    """1 for a job that was reclaimed once."""
    return 1 if farm.jobs[JOB_FLAGS][job] & STEADY else 0


def orderable(farm: Farm, pool: int, planned: int) -> bool:
    """Whether one more machine may be ordered here now, beside `planned` others."""
    pools = farm.pools
    if pools[POOL_OWNED][pool] or pools[POOL_BOOT_MS][pool] < 0 or paused(farm, pool):
        return False
    most = pools[POOL_MOST][pool]
    return most < 0 or pools[POOL_MACHINES][pool] + planned < most


def paused(farm: Farm, pool: int) -> bool:
    """Whether nothing is ordered here for now; what waits for that is looked at when it ends."""
    until_ms = farm.pools[POOL_PAUSED_MS][pool]
    on.wake_at(farm.scratch, until_ms)
    return until_ms > farm.scratch[on.FRAME][on.NOW_MS]


def best(farm: Farm, ask: int, work_ms: int, whatever: bool) -> int:
    """The allowed rented pool where a finished job is expected to cost least, -1 = none. `whatever`: also pools where nothing may be
    ordered now. Call `allow` before."""
    sheet = farm.scratch
    found, last, least = -1, -1, 0.0
    island = farm.asks[ASK_ISLAND][ask]
    for pool in range(farm.rules[RULE_POOLS]):
        if sheet[on.ALLOWED][pool] == 0 or farm.pools[POOL_ISLAND][pool] != island:
            continue
        if farm.pools[POOL_OWNED][pool] or farm.pools[POOL_BOOT_MS][pool] < 0:
            continue
        if farm.pools[POOL_MOST][pool] == 0 and lists.count(farm, pool, STOPPED) == 0:
            last = pool  # nothing more can come from there now
            continue
        if not whatever and not orderable(farm, pool, sheet[on.PLANNED][pool]):
            continue
        cost = expected_cost(farm, pool, work_ms)
        if found < 0 or cost < least:
            found, least = pool, cost
    return last if found < 0 and whatever else found


def expected_cost(farm: Farm, pool: int, work_ms: int) -> float:
    """Price times time of one finished job on a new machine; where machines are reclaimed it begins again from
    nothing, (e^kD - 1)/k instead of D, and the wait for another machine counts."""
    pools = farm.pools
    wake_ms = pools[POOL_BOOT_MS][pool] + pools[POOL_COLD_MS][pool]
    run_ms = wake_ms + work_ms * on.FULL_SPEED_PPM // pools[POOL_SPEED_PPM][pool]
    cost = float(run_ms) * pools[POOL_PRICE][pool]
    if pools[POOL_RECLAIM_PPM][pool] > 0:
        exponent = min(pools[POOL_RECLAIM_PPM][pool] / 1e6 * run_ms / HOUR_MS, WORST_EXPONENT)
        again = _growth(exponent)
        lost = again * exponent
        cost = cost * again + float(farm.rules[RULE_WAIT_PRICE]) * lost * pools[POOL_BOOT_MS][pool]
    failed, orders = pools[POOL_ORDERS_FAILED][pool], pools[POOL_ORDERS][pool]
    return cost * (1.0 + failed / max(1, orders))


def _growth(exponent: float) -> float:
    """(e^x - 1)/x by its series: the same to the bit everywhere."""
    total, term = 1.0, 1.0
    for n in range(2, TERMS):
        term = term * exponent / n
        total = total + term
    return total


def token(farm: Farm, pool: int, now_ms: int) -> bool:
    """Take the right to one more order at this pool's provider, if there is one."""
    tokens, since = farm.pools[POOL_TOKENS], farm.pools[POOL_TOKENS_MS]
    if since[pool] == 0:
        tokens[pool], since[pool] = BUCKET, max(1, now_ms)
    gained = (now_ms - since[pool]) // TOKEN_MS
    if gained > 0:
        tokens[pool] = min(BUCKET, tokens[pool] + gained)
        since[pool] += gained * TOKEN_MS
    if tokens[pool] <= 0:
        on.wake_at(farm.scratch, now_ms + TOKEN_MS)
        return False
    tokens[pool] -= 1
    return True


def may_burst(farm: Farm, ask: int) -> bool:
    """Whether the budget lets a machine be ordered for such a job."""
    burst = farm.rules[RULE_BURST]
    return burst == 0 or (burst == 1 and farm.asks[ASK_STRICT][ask] != 0)


def refused(farm: Farm, machine: int, cause: int, now_ms: int) -> None:
    """The provider refused an order. Nothing more is ordered there for a while; call `changes.gone` after this."""
    pool = farm.machines[MACHINE_POOL][machine]
    _counted(farm, pool, 1)
    if cause == NO_QUOTA:
        _pause(farm, pool, now_ms + QUOTA_PENALTY_MS)
    elif cause == THROTTLED:
        farm.pools[POOL_TOKENS][pool] //= 2
        _pause(farm, pool, now_ms + THROTTLE_MS)
    elif cause == CROWDED:
        # Kept as a negative number: it ends by what goes, and what has no capacity does not.
        crowded_ms = min(QUOTA_PENALTY_MS, max(FIRST_CROWDED_MS, -2 * farm.pools[POOL_PENALTY_MS][pool]))
        farm.pools[POOL_PENALTY_MS][pool] = -crowded_ms
        _pause(farm, pool, now_ms + crowded_ms)
    else:
        clean = now_ms - farm.pools[POOL_PAUSED_MS][pool] >= CLEAN_MS
        last_ms = 0 if clean else farm.pools[POOL_PENALTY_MS][pool]
        penalty_ms = min(LAST_PENALTY_MS, max(FIRST_PENALTY_MS, 2 * last_ms))
        farm.pools[POOL_PENALTY_MS][pool] = penalty_ms
        _pause(farm, pool, now_ms + penalty_ms)


def failed(farm: Farm, machine: int, now_ms: int) -> None:
    """A machine did not come up in time. Three in a row, or one in five lately: nothing is ordered there for half an hour."""
    pool = farm.machines[MACHINE_POOL][machine]
    _counted(farm, pool, 1)
    pools = farm.pools
    pools[POOL_FAILURES][pool] += 1
    farm.islands[ISLAND_FAILED_MS][pools[POOL_ISLAND][pool]] = now_ms
    many = pools[POOL_ORDERS][pool] >= ORDERS_JUDGED
    if pools[POOL_FAILURES][pool] >= FAILURES_IN_A_ROW or (
        many and pools[POOL_ORDERS_FAILED][pool] * FAILED_SHARE > pools[POOL_ORDERS][pool]
    ):
        pools[POOL_FAILURES][pool] = 0
        _pause(farm, pool, now_ms + LAST_PENALTY_MS)


def came(farm: Farm, machine: int, now_ms: int) -> None:
    """A machine that was ordered came up."""
    pool = farm.machines[MACHINE_POOL][machine]
    _counted(farm, pool, 0)
    farm.pools[POOL_FAILURES][pool] = 0
    farm.pools[POOL_PENALTY_MS][pool] = max(0, farm.pools[POOL_PENALTY_MS][pool])


def room(farm: Farm, pool: int, now_ms: int) -> None:
    """A machine of the pool has gone: where it was crowded more may be ordered at once."""
    paused, crowded_ms = farm.pools[POOL_PAUSED_MS], -farm.pools[POOL_PENALTY_MS][pool]
    if crowded_ms > 0 and now_ms < paused[pool] <= now_ms + crowded_ms:
        paused[pool] = now_ms
        farm.pools[POOL_PENALTY_MS][pool] = 0


def _counted(farm: Farm, pool: int, failures: int) -> None:
    orders, broken = farm.pools[POOL_ORDERS], farm.pools[POOL_ORDERS_FAILED]
    if orders[pool] >= ORDERS_KEPT:
        orders[pool] //= 2
        broken[pool] //= 2
    orders[pool] += 1
    broken[pool] += failures


def _pause(farm: Farm, pool: int, until_ms: int) -> None:
    paused = farm.pools[POOL_PAUSED_MS]
    paused[pool] = max(paused[pool], min(until_ms, NEVER_MS))
