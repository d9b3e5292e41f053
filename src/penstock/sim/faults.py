"""What goes wrong in a run, as columns of the world."""

from penstock.model.rules import Rules
from penstock.model.trial import Fault, Faults
from penstock.policy.capacity.columns import NEVER_MS, POOL_BOOT_MS, POOL_RESUME_MS, Farm
from penstock.sim.engine import heap
from penstock.sim.engine import world as w
from penstock.sim.tables import Tables

SHORTEST_LIMIT_MS, LONGEST_LIMIT_MS = 120_000, 900_000
"""Between these, three times the planned time is waited for a machine that does not come."""
BEGIN = w.LOST, w.PARTITION, w.RECLAIMS, w.HUB_AWAY
"""Kinds that happen at a moment; the others are asked for when something is ordered."""


class NoSuchPool(Exception):
    """A fault names a pool that the farm does not have."""


def put(farm: Farm, world: w.World, rules: Rules, faults: Faults, tables: Tables) -> w.World:
    """The world with its faults to come."""
    names = [pool.name for pool in rules.pools]
    begun_ms = world.head[w.NOW_MS]
    rows = [_row(fault, names, begun_ms) for fault in faults.faults]
    never = (w.HUB_AWAY, -1, NEVER_MS, NEVER_MS, 0, 0)
    world = world._replace(faults=tables.rows(list(zip(*rows, never, strict=True))))
    world.head[w.NOTICE_MS] = faults.notice_ms
    world.head[w.CONTACT_MS] = rules.lease.contact_ms
    world.head[w.RIGHT_MS] = max(rules.lease.contact_ms, rules.lease.right_ms)
    for pool in range(len(names)):
        longest_ms = max(farm.pools[POOL_BOOT_MS][pool], farm.pools[POOL_RESUME_MS][pool])
        # a pool whose machines take nearly that long by plan is waited for
        limit_ms = max(min(max(3 * longest_ms, SHORTEST_LIMIT_MS), LONGEST_LIMIT_MS), 2 * longest_ms)
        world.sums[w.SUM_BOOT_LIMIT_MS][pool] = limit_ms
    for row, fault in enumerate(rows):
        if fault[w.FAULT_KIND] in BEGIN:
            heap.push(world, fault[w.FAULT_FROM_MS], w.BEFALLS, row)
    return world


def _row(fault: Fault, names: list[str], begun_ms: int) -> tuple[int, ...]:
    if fault.pool and fault.pool not in names:
        raise NoSuchPool(f"a fault befalls the pool {fault.pool!r}; the farm has {', '.join(names)}")
    return (
        w.FAULT_KINDS.index(fault.kind),
        names.index(fault.pool) if fault.pool else -1,
        begun_ms + fault.begin_ms,
        begun_ms + fault.until_ms if fault.until_ms < NEVER_MS else NEVER_MS,
        round(fault.share * 1_000_000),
        fault.limit,
    )
