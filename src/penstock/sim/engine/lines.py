"""Lines of the record of a run, as columns; Python writes them out."""

from penstock.policy.capacity.columns import JOB_TRIES, MACHINE_POOL, Farm
from penstock.sim.engine.world import (
    HAPPENED_MS,
    LINE_ATTEMPT,
    LINE_JOB,
    LINE_KIND,
    LINE_MS,
    LINE_NUMBER,
    LINE_POOL,
    LINES,
    OWN_NUMBER,
    World,
)


def of_job(farm: Farm, world: World, kind: int, job: int, machine: int) -> None:
    """Something of this kind happened to the job, on this machine (-1: on none)."""
    at, lines = world.head[LINES], world.lines
    lines[LINE_MS][at] = world.head[HAPPENED_MS]
    lines[LINE_KIND][at] = kind
    lines[LINE_JOB][at] = job
    lines[LINE_ATTEMPT][at] = farm.jobs[JOB_TRIES][job] if machine >= 0 else -1
    lines[LINE_POOL][at] = farm.machines[MACHINE_POOL][machine] if machine >= 0 else -1
    lines[LINE_NUMBER][at] = world.own[OWN_NUMBER][machine] if machine >= 0 else -1
    world.head[LINES] = at + 1


def of_machine(farm: Farm, world: World, kind: int, machine: int) -> None:
    """Something of this kind happened to the machine."""
    at, lines = world.head[LINES], world.lines
    lines[LINE_MS][at] = world.head[HAPPENED_MS]
    lines[LINE_KIND][at] = kind
    lines[LINE_JOB][at] = -1
    lines[LINE_ATTEMPT][at] = -1
    lines[LINE_POOL][at] = farm.machines[MACHINE_POOL][machine]
    lines[LINE_NUMBER][at] = world.own[OWN_NUMBER][machine]
    world.head[LINES] = at + 1
