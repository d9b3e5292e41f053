"""Machines: requested, up, suspended, resumed, deleted, taken back; what a decision orders and what becomes of it."""

from penstock.model.outcome import DELETE as DELETES
from penstock.model.outcome import GONE, RECLAIM, REQUEST, SUSPENDED, UP
from penstock.model.outcome import RESUME as RESUMES
from penstock.model.outcome import SUSPEND as SUSPENDS
from penstock.policy.capacity import changes, offers
from penstock.policy.capacity.columns import (
    DELETING,
    DRAINED,
    JOB_FLAGS,
    LANE_JOB,
    MACHINE_FLAGS,
    MACHINE_POOL,
    MACHINE_STATE,
    NOTICED,
    POOL_DELETE_MS,
    POOL_ISLAND,
    POOL_SUSPEND_MS,
    RULE_WIDTH,
    STEADY,
    Farm,
)
from penstock.sim.engine import chance, faults, heap, jobs, lines, money
from penstock.sim.engine.world import (
    BOOT_TIMES,
    DELETED,
    GIVES_UP,
    HALTED,
    HAPPENED_MS,
    NOTICE_MS,
    NOW_MS,
    OWN_BACK_MS,
    OWN_IDLE_MS,
    OWN_NUMBER,
    OWN_ORDER,
    OWN_PAID_MS,
    OWN_RECLAIM,
    OWN_SILENT_MS,
    OWN_STOPPED_MS,
    OWN_TURN,
    OWN_TURN_MS,
    READY,
    RESUME_TIMES,
    SEED,
    STRIKES,
    SUM_BOOT_LIMIT_MS,
    SUM_BOOTS,
    SUM_NUMBER,
    SUM_RECLAIM_PPM,
    SUM_RESUMES,
    World,
)

PPM_HOURS_MS = 3_600_000
POOL_STEP, WAKE_STEP = 2**40, 64
"""A wake is numbered by pool, machine and how often the machine was woken."""


def appear(farm: Farm, world: World, machine: int) -> None:
    """A row is a new machine's from now on: what stood there of an older one goes."""
    own, pool = world.own, farm.machines[MACHINE_POOL][machine]
    world.sums[SUM_NUMBER][pool] += 1
    own[OWN_NUMBER][machine] = world.sums[SUM_NUMBER][pool]
    own[OWN_ORDER][machine] = own[OWN_RECLAIM][machine] = -1
    own[OWN_PAID_MS][machine] = own[OWN_STOPPED_MS][machine] = -1
    own[OWN_IDLE_MS][machine] = own[OWN_TURN_MS][machine] = -1
    own[OWN_SILENT_MS][machine] = own[OWN_BACK_MS][machine] = -1
    own[OWN_TURN][machine] = 0


def boot(farm: Farm, world: World, machine: int) -> None:
    """A new machine is ordered; its provider may refuse."""
    cause = faults.refusal(farm, world, farm.machines[MACHINE_POOL][machine])
    if cause >= 0:
        offers.refused(farm, machine, cause, world.head[NOW_MS])
        touch_pool_of(farm, world, machine)
        changes.gone(farm, machine, world.head[NOW_MS])
        return
    appear(farm, world, machine)
    world.sums[SUM_BOOTS][farm.machines[MACHINE_POOL][machine]] += 1
    lines.of_machine(farm, world, REQUEST, machine)
    _wake(farm, world, machine, BOOT_TIMES)


def resume(farm: Farm, world: World, machine: int) -> None:
    """A suspended machine is woken."""
    money.settle(farm, world, machine, world.head[NOW_MS])
    world.sums[SUM_RESUMES][farm.machines[MACHINE_POOL][machine]] += 1
    lines.of_machine(farm, world, RESUMES, machine)
    _wake(farm, world, machine, RESUME_TIMES)


def _wake(farm: Farm, world: World, machine: int, times: int) -> None:
    now_ms, own = world.head[NOW_MS], world.own
    own[OWN_TURN][machine] += 1
    own[OWN_SILENT_MS][machine] = -1
    money.rent(farm, world, machine, now_ms)
    money.turn(farm, world, machine, now_ms)
    pool = farm.machines[MACHINE_POOL][machine]
    takes_ms = world.times[2 * pool + times][_drawn(farm, world, machine, chance.BOOTS) >> 19]
    limit_ms = world.sums[SUM_BOOT_LIMIT_MS][pool]
    fails = faults.boot_fails(world, pool, _drawn(farm, world, machine, chance.FAILS))
    if fails or takes_ms > limit_ms:
        own[OWN_ORDER][machine] = heap.push(world, now_ms + limit_ms, GIVES_UP, machine)
    else:
        own[OWN_ORDER][machine] = heap.push(world, now_ms + takes_ms, READY, machine)


def _drawn(farm: Farm, world: World, machine: int, purpose: int) -> int:
    """Chance of this machine's last wake."""
    pool, own = farm.machines[MACHINE_POOL][machine], world.own
    number = pool * POOL_STEP + own[OWN_NUMBER][machine] * WAKE_STEP + own[OWN_TURN][machine]
    return chance.draw(world.head[SEED], number, purpose)


def ready(farm: Farm, world: World, machine: int) -> None:
    """Its coming has ended: it is up, and from now on it may be taken back."""
    happened_ms = world.head[HAPPENED_MS]
    world.own[OWN_ORDER][machine] = -1
    money.turned(farm, world, machine, happened_ms)
    world.own[OWN_IDLE_MS][machine] = happened_ms
    lines.of_machine(farm, world, UP, machine)
    changes.up(farm, machine, world.head[NOW_MS])
    offers.came(farm, machine, world.head[NOW_MS])
    _expect_reclaim(farm, world, machine)
    touch_pool_of(farm, world, machine)


def give_up(farm: Farm, world: World, machine: int) -> None:
    """It did not come in time: it is deleted, and its pool is trusted less. The delete is carried out like any act."""
    world.own[OWN_ORDER][machine] = -1
    offers.failed(farm, machine, world.head[NOW_MS])
    changes.delete(farm, machine, world.head[NOW_MS], 0)
    touch_pool_of(farm, world, machine)


def _expect_reclaim(farm: Farm, world: World, machine: int) -> None:
    """When it will be taken back if it lives that long: exponential, the same under every policy."""
    rate_ppm = world.sums[SUM_RECLAIM_PPM][farm.machines[MACHINE_POOL][machine]]
    if rate_ppm > 0:
        exponential = world.times[len(world.times) - 1][_drawn(farm, world, machine, chance.STRIKES) >> 19]
        at_ms = world.head[HAPPENED_MS] + exponential * PPM_HOURS_MS // rate_ppm
        world.own[OWN_RECLAIM][machine] = heap.push(world, at_ms, STRIKES, machine)


def suspend(farm: Farm, world: World, machine: int) -> None:
    """It is being suspended."""
    lines.of_machine(farm, world, SUSPENDS, machine)
    _turn(farm, world, machine, HALTED, farm.pools[POOL_SUSPEND_MS][farm.machines[MACHINE_POOL][machine]])


def halted(farm: Farm, world: World, machine: int) -> None:
    """It is suspended."""
    happened_ms = world.head[HAPPENED_MS]
    world.own[OWN_ORDER][machine] = -1
    money.turned(farm, world, machine, happened_ms)
    money.settle(farm, world, machine, happened_ms)
    world.own[OWN_STOPPED_MS][machine] = happened_ms
    lines.of_machine(farm, world, SUSPENDED, machine)
    changes.suspended(farm, machine, world.head[NOW_MS])
    touch_pool_of(farm, world, machine)


def delete(farm: Farm, world: World, machine: int) -> None:
    """It is being given back."""
    lines.of_machine(farm, world, DELETES, machine)
    _turn(farm, world, machine, DELETED, farm.pools[POOL_DELETE_MS][farm.machines[MACHINE_POOL][machine]])


def _turn(farm: Farm, world: World, machine: int, kind: int, takes_ms: int) -> None:
    """It stops being what it was; what it turns into comes later."""
    now_ms = world.head[NOW_MS]
    money.busy(farm, world, machine, now_ms)
    money.turned(farm, world, machine, now_ms)
    money.turn(farm, world, machine, now_ms)
    world.own[OWN_RECLAIM][machine] = -1
    world.own[OWN_ORDER][machine] = heap.push(world, now_ms + takes_ms, kind, machine)


def gone(farm: Farm, world: World, machine: int) -> None:
    """It is no more, and what ran on it is lost."""
    happened_ms, own = world.head[HAPPENED_MS], world.own
    first = machine * farm.rules[RULE_WIDTH]
    for lane in range(first, first + farm.rules[RULE_WIDTH]):
        job = farm.lanes[LANE_JOB][lane]
        if job >= 0:
            if farm.machines[MACHINE_FLAGS][machine] & NOTICED:
                farm.jobs[JOB_FLAGS][job] |= STEADY
            jobs.lose(farm, world, lane, job)
    money.busy(farm, world, machine, happened_ms)
    money.turned(farm, world, machine, happened_ms)
    money.settle(farm, world, machine, happened_ms)
    own[OWN_ORDER][machine] = own[OWN_RECLAIM][machine] = -1
    lines.of_machine(farm, world, GONE, machine)
    touch_pool_of(farm, world, machine)
    changes.gone(farm, machine, world.head[NOW_MS])


def reclaim(farm: Farm, world: World, machine: int) -> None:
    """Its provider wants it back: first told, then done."""
    flags = farm.machines[MACHINE_FLAGS]
    if flags[machine] & NOTICED == 0:
        lines.of_machine(farm, world, RECLAIM, machine)
        flags[machine] |= NOTICED | DRAINED
        if world.head[NOTICE_MS] > 0:
            at_ms = world.head[HAPPENED_MS] + world.head[NOTICE_MS]
            world.own[OWN_RECLAIM][machine] = heap.push(world, at_ms, STRIKES, machine)
            touch_pool_of(farm, world, machine)
            return
    gone(farm, world, machine)


def give_back(farm: Farm, world: World, machine: int) -> None:
    """The run is over: whatever is rented goes now."""
    state = farm.machines[MACHINE_STATE][machine]
    if state != DELETING:
        lines.of_machine(farm, world, DELETES, machine)
    gone(farm, world, machine)


def touch_pool_of(farm: Farm, world: World, machine: int) -> None:
    jobs.touch(world, farm.pools[POOL_ISLAND][farm.machines[MACHINE_POOL][machine]])
