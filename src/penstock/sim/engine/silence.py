"""Machines of which nothing is heard: lost for good, or cut off for a while. First they get nothing new, then what ran on
them is given up, and at last they are back, or never."""

from penstock.policy.capacity.columns import (
    ABSENT,
    DRAINED,
    FULL,
    IDLE,
    LANE_JOB,
    MACHINE_FLAGS,
    MACHINE_POOL,
    MACHINE_STATE,
    NEVER_MS,
    POOL_OWNED,
    RULE_WIDTH,
    Farm,
)
from penstock.sim.engine import chance, faults, heap, jobs, machines
from penstock.sim.engine.world import (
    CONTACT_MS,
    FAULT_KIND,
    FAULT_POOL,
    FAULT_UNTIL_MS,
    FROZEN_MS,
    HAPPENED_MS,
    HUB_AWAY,
    JOB_ENDS,
    LANE_BEGAN_MS,
    LANE_ORDER,
    LOST,
    OWN_BACK_MS,
    OWN_NUMBER,
    OWN_ORDER,
    OWN_SILENT_MS,
    PARTITION,
    RECLAIMS,
    RIGHT_MS,
    SEED,
    SILENCE,
    World,
)

FAULT_STEP = 2**20


def befall(farm: Farm, world: World, fault: int) -> None:
    """A fault begins that happens to machines that are up, or to the hub."""
    kind, until_ms = world.faults[FAULT_KIND][fault], world.faults[FAULT_UNTIL_MS][fault]
    if kind == HUB_AWAY:
        world.head[FROZEN_MS] = max(world.head[FROZEN_MS], until_ms)
        return
    for machine in range(len(farm.machines[MACHINE_STATE])):
        if not _struck(farm, world, fault, machine):
            continue
        if kind == RECLAIMS:
            if farm.pools[POOL_OWNED][farm.machines[MACHINE_POOL][machine]] == 0:
                machines.reclaim(farm, world, machine)
        elif kind == LOST:
            _fall_silent(world, machine, NEVER_MS)
        elif kind == PARTITION:
            _fall_silent(world, machine, until_ms)


def _struck(farm: Farm, world: World, fault: int, machine: int) -> bool:
    """Whether it is up, of the fault's pool, and among the share that is hit."""
    state, pool = farm.machines[MACHINE_STATE][machine], farm.machines[MACHINE_POOL][machine]
    if state < IDLE or state > FULL or state == ABSENT:
        return False
    of_pool = world.faults[FAULT_POOL][fault]
    if of_pool >= 0 and of_pool != pool:
        return False
    number = (pool * FAULT_STEP + fault) * FAULT_STEP + world.own[OWN_NUMBER][machine]
    return faults.hit(world, fault, chance.draw(world.head[SEED], number, chance.FAULTS))


def _fall_silent(world: World, machine: int, back_ms: int) -> None:
    own, now_ms = world.own, world.head[HAPPENED_MS]
    if own[OWN_SILENT_MS][machine] >= 0:
        return
    own[OWN_SILENT_MS][machine], own[OWN_BACK_MS][machine] = now_ms, back_ms
    _look_at(world, machine, min(back_ms, now_ms + world.head[CONTACT_MS]))


def _look_at(world: World, machine: int, at_ms: int) -> None:
    world.own[OWN_ORDER][machine] = heap.push(world, at_ms, SILENCE, machine)


def look(farm: Farm, world: World, machine: int) -> None:
    """What its silence means by now."""
    own, now_ms = world.own, world.head[HAPPENED_MS]
    since_ms, back_ms = own[OWN_SILENT_MS][machine], own[OWN_BACK_MS][machine]
    machines.touch_pool_of(farm, world, machine)
    if now_ms >= back_ms:
        own[OWN_SILENT_MS][machine] = own[OWN_ORDER][machine] = -1
        _give_up_since(farm, world, machine, since_ms)
        farm.machines[MACHINE_FLAGS][machine] &= ~DRAINED
    elif now_ms >= since_ms + world.head[RIGHT_MS]:
        _give_up_since(farm, world, machine, 0)
        if back_ms >= NEVER_MS or farm.pools[POOL_OWNED][farm.machines[MACHINE_POOL][machine]] == 0:
            machines.gone(farm, world, machine)
        else:
            _look_at(world, machine, back_ms)
    else:
        _give_up_since(farm, world, machine, since_ms)
        farm.machines[MACHINE_FLAGS][machine] |= DRAINED
        _look_at(world, machine, min(back_ms, since_ms + world.head[RIGHT_MS]))


def _give_up_since(farm: Farm, world: World, machine: int, begun_ms: int) -> None:
    """Attempts that began at this moment or later are lost: while it is silent it does not even begin them."""
    first = machine * farm.rules[RULE_WIDTH]
    for lane in range(first, first + farm.rules[RULE_WIDTH]):
        job = farm.lanes[LANE_JOB][lane]
        if (
            job >= 0
            and world.lanes[LANE_BEGAN_MS][lane] >= begun_ms
            and (begun_ms == 0 or world.lanes[LANE_ORDER][lane] < 0)
        ):
            jobs.lose(farm, world, lane, job)


def put_off(farm: Farm, world: World, lane: int) -> bool:
    """Whether the end of the job on this lane is not heard of now; then it is when the machine is back, if ever."""
    machine = lane // farm.rules[RULE_WIDTH]
    back_ms = world.own[OWN_BACK_MS][machine]
    if world.own[OWN_SILENT_MS][machine] < 0 or world.head[HAPPENED_MS] >= back_ms:
        return False
    if back_ms < NEVER_MS:
        world.lanes[LANE_ORDER][lane] = heap.push(world, back_ms, JOB_ENDS, lane)
    return True
