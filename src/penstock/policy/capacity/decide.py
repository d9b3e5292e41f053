"""What a farm does now: which jobs start where, what is rented, resumed, suspended and given back."""

from penstock.policy.capacity import (
    lateness,
    orders,
    packing_owned,
    packing_rented,
    pending,
    plans,
    preset_starts,
    presets,
    reserve,
    sizes,
    timers,
)
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ISLAND_LATE_PENDING,
    ISLAND_LOOKED_MS,
    ISLAND_OWNED,
    ISLAND_PENDING,
    ISLAND_WAKE_MS,
    POOL_CORES,
    POOL_ISLAND,
    POOL_OWNED,
    RULE_POOLS,
    RULE_PRESET,
    RULE_SEQUENCE_MOST,
    RULE_WAIT_PRICE,
    Farm,
)
from penstock.policy.capacity.reasons import ON_OWNED

MOMENT_MS = 1000
"""Last moments that are closer together are one: what must be ordered within the next second is ordered now."""


def decide(farm: Farm, island: int, now_ms: int) -> None:
    """Decide for one island; writes acts, and ISLAND_WAKE_MS: when to ask again though nothing happens."""
    if farm.rules[RULE_PRESET] != 0:
        presets.look(farm, island, now_ms)
        return
    frame = farm.scratch[on.FRAME]
    on.begin(farm.scratch, island, now_ms)
    frame[on.SEQUENCE_MOST] = farm.rules[RULE_SEQUENCE_MOST]
    _begin_pools(farm, island)
    standby = reserve.pool_of(farm, island)
    if standby >= 0:
        reserve.watch(farm, island, standby)
    if frame[on.SIZED] and farm.islands[ISLAND_PENDING][island] > 0:
        # lanes of one machine are no longer alike, and plans lane by lane would leave no machine whole for a big job
        pending.gather(farm, island)
        sizes.keep(farm, island)
        preset_starts.start_owned(farm, island, now_ms, ON_OWNED, frame[on.KEPT])
    if farm.islands[ISLAND_PENDING][island] > 0:
        _place(farm, island)
    if standby >= 0:
        reserve.order(farm, island, standby)
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island and farm.pools[POOL_OWNED][pool] == 0:
            reserve.keep_least(farm, pool)
    timers.stop(farm, island)
    if standby >= 0:
        reserve.note(farm, island)
    farm.islands[ISLAND_WAKE_MS][island] = frame[on.WAKE_MS]


def _begin_pools(farm: Farm, island: int) -> None:
    """List the island's pools."""
    frame = farm.scratch[on.FRAME]
    frame[on.POOLS_HERE] = frame[on.SIZED] = 0
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] == island:
            farm.scratch[on.POOLS][frame[on.POOLS_HERE]] = pool
            frame[on.POOLS_HERE] += 1
            if farm.pools[POOL_CORES][pool] > 0:
                frame[on.SIZED] = 1


def _place(farm: Farm, island: int) -> None:
    """Start what can start. On large islands jobs are packed by the tick only: between two of them lanes go on as planned."""
    frame, now_ms = farm.scratch[on.FRAME], farm.scratch[on.FRAME][on.NOW_MS]
    tick_ms = plans.tick_ms(farm, island)
    frame[on.EARLY_MS] = max(tick_ms, MOMENT_MS)
    again_ms = farm.islands[ISLAND_LOOKED_MS][island] + tick_ms
    if now_ms >= again_ms or _could_start(farm, island) or plans.go_on(farm) > 0:
        farm.islands[ISLAND_LOOKED_MS][island] = now_ms
        frame[on.GUARD] = lateness.guarded(farm, island)
        _pack(farm, island)
        frame[on.WAKE_MS] = max(frame[on.WAKE_MS], now_ms + frame[on.EARLY_MS])
    else:
        on.wake_at(farm.scratch, again_ms)


def _could_start(farm: Farm, island: int) -> bool:
    """Whether it would be wrong to wait for the tick: owned lanes are free for all that wait, or waiting has a price and
    a machine stands idle."""
    if farm.rules[RULE_WAIT_PRICE] > 0 and reserve.idle(farm, island):
        return True
    return packing_owned.plenty(farm, island)


def _pack(farm: Farm, island: int) -> None:
    """Pack and start, again and again until nothing more starts; then order what nothing takes in time."""
    while farm.islands[ISLAND_PENDING][island] > 0:
        pending.gather(farm, island)
        if farm.scratch[on.FRAME][on.SIZED]:
            sizes.keep(farm, island)
        if packing_owned.plenty(farm, island) and packing_owned.start_all(farm) > 0:
            continue
        if packing_owned.pack(farm) > 0:
            continue
        if farm.scratch[on.FRAME][on.EARLY_MS] > MOMENT_MS:
            plans.forget(farm)
            plans.keep(farm)
        left = packing_owned.leave_over(farm, island)
        alone = farm.islands[ISLAND_OWNED][island] == 0 and farm.islands[ISLAND_LATE_PENDING][island] > 0
        if left > 0 or alone:
            if packing_rented.pack(farm, island) > 0:
                continue
            if farm.scratch[on.FRAME][on.EARLY_MS] > MOMENT_MS:
                plans.keep(farm)
            if packing_rented.leave_over(farm) > 0:
                orders.plan(farm, island)
        timers.look_again(farm)
        return
