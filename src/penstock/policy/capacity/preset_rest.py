"""When a preset lets an idle machine go: fixed at the moment when it becomes idle. Imports columns only; `levels` asks this."""

from penstock.policy.capacity.columns import (
    MACHINE_BOOTED_MS,
    MACHINE_POOL,
    NEVER_MS,
    POOL_STOP_MS,
    Farm,
)
from penstock.policy.capacity.preset_numbers import EDGE_MS, IDLE_MS, PAID_MS


def idle_stop_ms(farm: Farm, machine: int, now_ms: int) -> int:
    """When a machine that becomes idle now is to be stopped."""
    idle_ms = farm.rules[IDLE_MS]
    if idle_ms < 0:
        idle_ms = farm.pools[POOL_STOP_MS][farm.machines[MACHINE_POOL][machine]]
    if idle_ms >= NEVER_MS:
        return NEVER_MS
    return edge_ms(farm, machine, now_ms + idle_ms)


def edge_ms(farm: Farm, machine: int, moment_ms: int) -> int:
    """The moment, or where hours are paid the first one after it that is near enough to the end of one."""
    paid_ms = farm.rules[PAID_MS]
    if paid_ms == 0:
        return moment_ms
    into_ms = (moment_ms - farm.machines[MACHINE_BOOTED_MS][machine]) % paid_ms
    return moment_ms + max(0, farm.rules[EDGE_MS] - into_ms)


def tick_ms(moment_ms: int, step_ms: int) -> int:
    """The first tick of a clock of this step that is not before the moment; without a step the moment itself."""
    if step_ms == 0 or moment_ms >= NEVER_MS:
        return moment_ms
    return (moment_ms + step_ms - 1) // step_ms * step_ms
