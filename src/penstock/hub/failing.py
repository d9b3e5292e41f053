"""Whether a pool fails together, without reading its machines anew for each that does.

To know it all machines of the pool are read: a tenth of a second for 5,000, and they may all fail within one. So what was
read is kept for as long as farm time and the outbox stand still, which is less than a second, and what fails meanwhile is
added. A failure that is noted and then not written counts for that long.
"""

from penstock.hub.steps import Step
from penstock.model.machine import Machine
from penstock.policy import retry


def together(step: Step, machine: Machine) -> bool:
    """True when the whole pool fails together, this machine of it just now: it is held against neither job nor machine."""
    at = step.farm.time_ms, step.farm.position
    read_at, recent, whole = step.hub.failing.get(machine.pool, ((), frozenset(), 0))
    if read_at != at:
        recent, whole = retry.record(step.tx.find(Machine, "pool", machine.pool), step.now_ms)
    recent |= {machine.id}
    step.hub.failing[machine.pool] = at, recent, whole
    return retry.too_many(len(recent), whole)
