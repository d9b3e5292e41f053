"""Which faults are on: whether a provider refuses an order, and whether a boot comes to nothing."""

from penstock.policy.capacity import offers
from penstock.policy.capacity.columns import POOL_MACHINES, Farm
from penstock.sim.engine.world import (
    BOOT_FAILURES,
    FAULT_FROM_MS,
    FAULT_KIND,
    FAULT_LIMIT,
    FAULT_POOL,
    FAULT_SHARE_PPM,
    FAULT_UNTIL_MS,
    NO_CAPACITY,
    NOW_MS,
    QUOTA,
    THROTTLED,
    World,
)

DRAWN_OF = 2**31
PPM = 1_000_000


def refusal(farm: Farm, world: World, pool: int) -> int:
    """Why an order for one more machine of the pool is refused now, a cause of offers.py; -1 = it is not."""
    for fault in range(len(world.faults[FAULT_KIND])):
        if not is_on(world, fault, pool):
            continue
        kind = world.faults[FAULT_KIND][fault]
        if kind == NO_CAPACITY:
            return offers.NO_CAPACITY
        if kind == QUOTA and farm.pools[POOL_MACHINES][pool] > world.faults[FAULT_LIMIT][fault]:
            return offers.NO_QUOTA
        if kind == THROTTLED:
            return offers.THROTTLED
    return -1


def boot_fails(world: World, pool: int, drawn: int) -> bool:
    """Whether a boot or resume that was ordered now never ends."""
    for fault in range(len(world.faults[FAULT_KIND])):
        is_one = world.faults[FAULT_KIND][fault] == BOOT_FAILURES
        if is_one and is_on(world, fault, pool) and hit(world, fault, drawn):
            return True
    return False


def is_on(world: World, fault: int, pool: int) -> bool:
    """Whether the fault befalls the pool now."""
    of_pool, now_ms = world.faults[FAULT_POOL][fault], world.head[NOW_MS]
    if of_pool >= 0 and of_pool != pool:
        return False
    return world.faults[FAULT_FROM_MS][fault] <= now_ms and now_ms < world.faults[FAULT_UNTIL_MS][fault]


def hit(world: World, fault: int, drawn: int) -> bool:
    """Whether what drew this chance is among the share that is hit."""
    return drawn < world.faults[FAULT_SHARE_PPM][fault] * DRAWN_OF // PPM
