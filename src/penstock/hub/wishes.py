"""Machines that are to stop as soon as another system has let go of them: until then they drain, and say what for."""

from collections.abc import Iterable

import msgspec

from penstock.hub.steps import Step
from penstock.model.farm import Event
from penstock.model.machine import Machine, powered
from penstock.model.pool_foreign import OURS
from penstock.model.rules import Pool
from penstock.model.states import Power

WAITS = {"to be suspended: ": Power.SUSPENDING, "to be given back: ": Power.DELETING}
"""What the reason of such a machine begins with, and what it is to become."""


def served(pools: Iterable[Pool], name: str) -> Pool | None:
    """The pool of this name, if its machines run another system's agent."""
    return next((pool for pool in pools if pool.name == name and pool.agent != OURS), None)


def wish_of(machine: Machine) -> Power | None:
    """What a machine is to become when its system has let go of it; None where it is to stay, or a person drains it."""
    if machine.power != Power.DRAINING:
        return None
    return next((power for begin, power in WAITS.items() if machine.power_reason.startswith(begin)), None)


def drains(step: Step, machine: Machine, power: Power, why: str) -> None:
    """This machine, which is up, is to stop when its system gives it nothing more and it runs nothing."""
    begin = next(begin for begin, wanted in WAITS.items() if wanted == power)
    after = powered(machine, Power.DRAINING, begin + why, step.now_ms)
    told(step, msgspec.structs.replace(after, accepting=False))


def told(step: Step, machine: Machine) -> None:
    """Write a machine with the event of its power."""
    stored = step.put(machine)
    step.tell(Event(kind="power", machine=stored.id, state=stored.power, reason=stored.power_reason))
    step.woken.add("farm")


def free_name(pool: Pool, machines: Iterable[Machine]) -> str:
    """The first name of an agent that no machine of the pool has which is still there."""
    assert pool.serves is not None
    taken = {one.name for one in machines if one.power != Power.GONE}
    number = 1
    while pool.serves.name_of(number) in taken:
        number += 1
    return pool.serves.name_of(number)
