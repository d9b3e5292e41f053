"""Big jobs on machines that several jobs share: one that is overdue has a machine kept free until it has room there."""

from penstock.policy.capacity import changes, lists, offers
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    FULL,
    IDLE,
    JOB_DUE_MS,
    MACHINE_BEFORE,
    MACHINE_CORES,
    MACHINE_SERIAL,
    OPEN,
    POOL_CORES,
    POOL_ISLAND,
    RULE_POOLS,
    Farm,
)


def keep(farm: Farm, island: int) -> None:
    """Keep a machine free for the first overdue job that has room nowhere: the one with the most free cores, which stays the
    one with the most because nothing else starts there."""
    sheet = farm.scratch
    frame = sheet[on.FRAME]
    frame[on.KEPT] = -1
    for place in range(frame[on.PLACES]):
        job = sheet[on.JOB][place]
        if farm.jobs[JOB_DUE_MS][job] > frame[on.NOW_MS]:
            continue
        offers.allow(farm, sheet[on.ASK][place], offers.steady(farm, job))
        if frame[on.NEED_CORES] == 0 and frame[on.NEED_MEMORY_MB] == 0:
            continue
        if not _has_room(farm, island, sheet[on.ASK][place]):
            frame[on.KEPT] = _roomiest(farm, island)
            return


def _has_room(farm: Farm, island: int, ask: int) -> bool:
    """Whether the job could start on some machine now."""
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.scratch[on.ALLOWED][pool] == 0 or farm.pools[POOL_ISLAND][pool] != island:
            continue
        for state in (IDLE, OPEN):
            machine = lists.last(farm, pool, state)
            while machine >= 0:
                if changes.room(farm, machine, ask):
                    return True
                machine = farm.machines[MACHINE_BEFORE][machine]
    return False


def _roomiest(farm: Farm, island: int) -> int:
    """Of the machines that are up and that the job may go to, the one with the most free cores; -1 = there is none."""
    machines, found = farm.machines, -1
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.scratch[on.ALLOWED][pool] == 0 or farm.pools[POOL_ISLAND][pool] != island:
            continue
        if farm.pools[POOL_CORES][pool] == 0:
            continue
        for state in (OPEN, FULL):
            machine = lists.last(farm, pool, state)
            while machine >= 0:
                if found < 0 or _before(farm, machine, found):
                    found = machine
                machine = machines[MACHINE_BEFORE][machine]
    return found


def _before(farm: Farm, machine: int, other: int) -> bool:
    cores, serial = farm.machines[MACHINE_CORES], farm.machines[MACHINE_SERIAL]
    if cores[machine] != cores[other]:
        return cores[machine] > cores[other]
    return serial[machine] < serial[other]
