"""Machines that leave the farm for good because a person says so: they take nothing more, end what they run, and are gone.

A machine that is owned is out of the books then and costs nothing more; one that is rented is given back. Its agent cannot come
back with what let it in.
"""

from collections.abc import Iterable
from functools import partial

import msgspec

from penstock.hub.context import Hub, Refused
from penstock.hub.renter import turn, vanished
from penstock.hub.steps import Step, change, lead
from penstock.model.machine import Credential, Machine, powered
from penstock.model.states import HEALTH, Health, Power
from penstock.ports import Tx

AT_REST = (Power.UP, Power.DRAINING, Power.SUSPENDED, Power.REGISTERING)
"""From here a machine that runs nothing leaves at once. One that is on its way is not let in when it comes, and given back."""


def retire(hub: Hub, machine_id: str, reason: str) -> bool:
    """Begin it. False when it is retired already. Raises NotFound; Refused for one that is gone."""

    def act(step: Step) -> bool:
        machine = step.need(Machine, machine_id)
        if machine.power == Power.GONE:
            raise Refused(f"machine {machine.name} is gone already", stop=False)
        if not HEALTH.allows(machine.health, Health.RETIRED):
            return False
        for credential in step.tx.find(Credential, "machine", machine_id):
            step.put(msgspec.structs.replace(credential, revoked=True))
        after = msgspec.structs.replace(machine, health=Health.RETIRED, health_reason=reason)
        if machine.power == Power.UP:
            after = powered(after, Power.DRAINING, reason, step.now_ms)
        step.tell_machine(step.put(after), reason)
        if machine.power in AT_REST:
            _leave(step, machine_id)
        step.woken |= {"farm", f"machine:{machine.id}"}
        return True

    return change(hub, act)


def done_with(tx: Tx, seldom: bool) -> list[str]:
    """Machines to let go, which have ended what they ran; `seldom` also those that were on their way and came to rest."""
    powers = AT_REST if seldom else (Power.DRAINING,)
    found = [one for power in powers for one in tx.find(Machine, "power", power)]
    return [one.id for one in found if one.health == Health.RETIRED and not one.busy]


def run_once(hub: Hub, ready: Iterable[str]) -> dict[str, int]:
    """Let these go. Returns how many."""
    return {"retired": sum(lead(hub, partial(_leave, machine_id=machine)) for machine in ready)}


def _leave(step: Step, machine_id: str) -> bool:
    """One that is rented is given back; nobody else knows of one that is owned."""
    machine = step.need(Machine, machine_id)
    if machine.busy:
        return False
    if machine.client_token:
        return turn(step, machine_id, Power.DELETING, machine.health_reason)
    return vanished(step, machine_id, machine.health_reason)
