"""What machines cost: each interval of rent rounded up by the provider, and half up to the micro-unit, in integers."""

from penstock.policy.capacity.columns import (
    MACHINE_POOL,
    POOL_GRANULARITY_MS,
    POOL_MINIMUM_MS,
    Farm,
)
from penstock.sim.engine.world import (
    OWN_IDLE_MS,
    OWN_PAID_MS,
    OWN_STOPPED_MS,
    OWN_TURN_MS,
    PAID,
    PEAK,
    SUM_IDLE_MS,
    SUM_LIFECYCLE_MS,
    SUM_PAID,
    SUM_PEAK,
    SUM_PRICE,
    SUM_RUNNING,
    SUM_STOPPED,
    SUM_STOPPED_PRICE,
    World,
)

MS_PER_HOUR = 3_600_000


def charge(price: int, duration_ms: int) -> int:
    """Price per hour times time, rounded half up: units.charge_micros, without its large products."""
    rest_ms = duration_ms % MS_PER_HOUR
    return price * (duration_ms // MS_PER_HOUR) + (2 * price * rest_ms + MS_PER_HOUR) // (2 * MS_PER_HOUR)


def paid_ms(lasted_ms: int, granularity_ms: int, minimum_ms: int) -> int:
    """What a provider counts of an interval: rounded up, at least the minimum."""
    step_ms = max(1, granularity_ms)
    return max(minimum_ms, -(-lasted_ms // step_ms) * step_ms)


def rent(farm: Farm, world: World, machine: int, now_ms: int) -> None:
    """It is paid as running from now on: a boot or resume was requested."""
    pool, sums, head = farm.machines[MACHINE_POOL][machine], world.sums, world.head
    world.own[OWN_PAID_MS][machine] = now_ms
    sums[SUM_PAID][pool] += 1
    sums[SUM_PEAK][pool] = max(sums[SUM_PEAK][pool], sums[SUM_PAID][pool])
    head[PAID] += 1
    head[PEAK] = max(head[PEAK], head[PAID])


def settle(farm: Farm, world: World, machine: int, now_ms: int) -> None:
    """Its rent, running or stopped, ends now."""
    pool, own, sums = farm.machines[MACHINE_POOL][machine], world.own, world.sums
    granularity_ms = farm.pools[POOL_GRANULARITY_MS][pool]
    if own[OWN_PAID_MS][machine] >= 0:
        lasted_ms = paid_ms(
            now_ms - own[OWN_PAID_MS][machine], granularity_ms, farm.pools[POOL_MINIMUM_MS][pool]
        )
        sums[SUM_RUNNING][pool] += charge(sums[SUM_PRICE][pool], lasted_ms)
        sums[SUM_PAID][pool] -= 1
        world.head[PAID] -= 1
        own[OWN_PAID_MS][machine] = -1
    if own[OWN_STOPPED_MS][machine] >= 0:
        lasted_ms = paid_ms(now_ms - own[OWN_STOPPED_MS][machine], granularity_ms, 0)
        sums[SUM_STOPPED][pool] += charge(sums[SUM_STOPPED_PRICE][pool], lasted_ms)
        own[OWN_STOPPED_MS][machine] = -1


def turn(farm: Farm, world: World, machine: int, now_ms: int) -> None:
    """Its coming, suspending or deleting begins."""
    world.own[OWN_TURN_MS][machine] = now_ms


def turned(farm: Farm, world: World, machine: int, now_ms: int) -> None:
    """It ends: life cycle, where it was paid as running meanwhile."""
    own = world.own
    if own[OWN_TURN_MS][machine] >= 0 and own[OWN_PAID_MS][machine] >= 0:
        pool = farm.machines[MACHINE_POOL][machine]
        world.sums[SUM_LIFECYCLE_MS][pool] += now_ms - own[OWN_TURN_MS][machine]
    own[OWN_TURN_MS][machine] = -1


def busy(farm: Farm, world: World, machine: int, now_ms: int) -> None:
    """It does not stand idle any longer."""
    own = world.own
    if own[OWN_IDLE_MS][machine] >= 0:
        pool = farm.machines[MACHINE_POOL][machine]
        world.sums[SUM_IDLE_MS][pool] += now_ms - own[OWN_IDLE_MS][machine]
        own[OWN_IDLE_MS][machine] = -1
