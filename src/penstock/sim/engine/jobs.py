"""Jobs: submitted, waiting for what they need, started, ended, lost."""

from penstock.model.outcome import END, SUBMIT
from penstock.model.outcome import START as STARTS
from penstock.policy.capacity import changes
from penstock.policy.capacity.columns import (
    ASK_ISLAND,
    IDLE,
    JOB_ASK,
    LANE_COLD_MS,
    MACHINE_POOL,
    MACHINE_STATE,
    POOL_ISLAND,
    POOL_SPEED_PPM,
    RULE_WIDTH,
    Farm,
)
from penstock.sim.engine import heap, lines, money
from penstock.sim.engine.world import (
    GONE_BY,
    HAPPENED_MS,
    JOB_ENDS,
    LANE_BEGAN_MS,
    LANE_ORDER,
    LAST_END_MS,
    LEFT,
    NOW_MS,
    OWN_IDLE_MS,
    OWN_SILENT_MS,
    SUM_WORK_MS,
    TIMER_TOUCHED,
    TOUCHED,
    TRUE_END_MS,
    TRUE_FIRST_MS,
    TRUE_POOL,
    TRUE_RAN_MS,
    TRUE_READY_MS,
    TRUE_UNMET,
    World,
)

PPM = 1_000_000


def submit(farm: Farm, world: World, job: int) -> None:
    """Its submitter wants it; it is ready when it needs nothing more."""
    if world.truth[TRUE_UNMET][job] >= GONE_BY:
        return
    world.head[HAPPENED_MS] = world.submitted_ms[job]
    lines.of_job(farm, world, SUBMIT, job, -1)
    _meet(farm, world, job)


def _meet(farm: Farm, world: World, job: int) -> None:
    """One thing less that it waits for before it can be decided about."""
    unmet = world.truth[TRUE_UNMET]
    unmet[job] -= 1
    if unmet[job] == 0:
        ready_ms = world.head[HAPPENED_MS]
        world.truth[TRUE_READY_MS][job] = ready_ms
        changes.arrived(farm, job, ready_ms)
        touch(world, farm.asks[ASK_ISLAND][farm.jobs[JOB_ASK][job]])


def touch(world: World, island: int) -> None:
    """Something happened there: it is decided at the end of this instant."""
    if world.timers[TIMER_TOUCHED][island] == 0:
        world.timers[TIMER_TOUCHED][island] = 1
        world.head[TOUCHED] += 1


def start(farm: Farm, world: World, job: int, machine: int, lane: int) -> None:
    """A decision started it: when it will end is known here, and only here."""
    now_ms, truth = world.head[NOW_MS], world.truth
    money.busy(farm, world, machine, now_ms)
    lines.of_job(farm, world, STARTS, job, machine)
    if truth[TRUE_FIRST_MS][job] < 0:
        truth[TRUE_FIRST_MS][job] = now_ms
    world.lanes[LANE_BEGAN_MS][lane] = now_ms
    world.lanes[LANE_ORDER][lane] = -1
    if world.own[OWN_SILENT_MS][machine] < 0:  # a silent machine never hears of it
        ends_ms = now_ms + farm.lanes[LANE_COLD_MS][lane] + lasts_ms(farm, world, job, machine)
        world.lanes[LANE_ORDER][lane] = heap.push(world, ends_ms, JOB_ENDS, lane)


def lasts_ms(farm: Farm, world: World, job: int, machine: int) -> int:
    """How long it runs on this machine, without the cold extra; rounded up where its speed is not 1."""
    speed = farm.pools[POOL_SPEED_PPM][farm.machines[MACHINE_POOL][machine]]
    return -(-world.duration_ms[job] * PPM // speed)


def end(farm: Farm, world: World, lane: int, job: int) -> None:
    """The job on this lane ended by itself."""
    ended_ms, truth = world.head[HAPPENED_MS], world.truth
    machine = lane // farm.rules[RULE_WIDTH]
    lines.of_job(farm, world, END, job, machine)
    pool = farm.machines[MACHINE_POOL][machine]
    truth[TRUE_END_MS][job], truth[TRUE_POOL][job] = ended_ms, pool
    truth[TRUE_RAN_MS][job] = lasts_ms(farm, world, job, machine)
    world.sums[SUM_WORK_MS][pool] += ended_ms - world.lanes[LANE_BEGAN_MS][lane]
    world.lanes[LANE_ORDER][lane] = -1
    changes.ended(farm, job, world.head[NOW_MS], world.duration_ms[job])
    freed(farm, world, machine)
    touch(world, farm.pools[POOL_ISLAND][pool])
    world.head[LEFT] -= 1
    world.head[LAST_END_MS] = max(world.head[LAST_END_MS], ended_ms)
    _free_children(farm, world, job)


def lose(farm: Farm, world: World, lane: int, job: int) -> None:
    """The attempt on this lane came to nothing; the job waits again."""
    now_ms = world.head[NOW_MS]
    machine = lane // farm.rules[RULE_WIDTH]
    began_ms = world.lanes[LANE_BEGAN_MS][lane]
    world.sums[SUM_WORK_MS][farm.machines[MACHINE_POOL][machine]] += world.head[HAPPENED_MS] - began_ms
    world.lanes[LANE_ORDER][lane] = -1
    changes.lost(farm, job, now_ms)
    touch(world, farm.asks[ASK_ISLAND][farm.jobs[JOB_ASK][job]])
    freed(farm, world, machine)


def freed(farm: Farm, world: World, machine: int) -> None:
    """A lane of the machine is free again."""
    if farm.machines[MACHINE_STATE][machine] == IDLE:
        world.own[OWN_IDLE_MS][machine] = world.head[HAPPENED_MS]


def _free_children(farm: Farm, world: World, job: int) -> None:
    for at in range(world.children_from[job], world.children_from[job + 1]):
        child = world.children[at]
        if world.truth[TRUE_UNMET][child] < GONE_BY:
            _meet(farm, world, child)
