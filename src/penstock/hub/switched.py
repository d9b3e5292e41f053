"""Owned machines that can be switched: rows of agents that enrolled by themselves, held against what their switches say.

They are never made, never given back and never forgotten. One that does not do as it is told, or that somebody else switched off,
is left alone and told of; its agent brings it back by registering.
"""

import msgspec

from penstock.hub.context import Hub
from penstock.hub.dealings import explained
from penstock.hub.ender import lose
from penstock.hub.sessions import end_session
from penstock.hub.steps import Step
from penstock.model.farm import Event
from penstock.model.job import Attempt
from penstock.model.machine import Machine, Session, powered
from penstock.model.rented import Instance, Listing
from penstock.model.states import AttemptState, Health, Power
from penstock.policy import retry
from penstock.policy.capacity.setting import is_switched
from penstock.policy.suitability import FIT

SETTLED_MS = 60_000
"""What a switch was told so long ago has begun."""
SILENT_MS = 45_000
"""Who called within this time has power, whatever its switch says."""
UNHEARD_MS = 60_000
"""A switch that was not heard for so long is told of."""
STUCK_MS = 600_000
"""Shutting down may take so long; a switch that failed is tried again after it."""
ANSWERS_MAX = 3
"""A switch that gives no answer so often is left alone: another machine is woken, or rented, while somebody waits."""
FAILED = "could not be switched on: "
_UNDONE = ((Power.SUSPENDING, "up"), (Power.SUSPENDING, "stopping"), (Power.RESUMING, "stopped"))
_ON = (Power.UP, Power.DRAINING)


def names(hub: Hub) -> frozenset[str]:
    """Pools whose machines are switched."""
    return frozenset(pool.name for pool in hub.rules.pools if is_switched(pool))


def usable(one: Machine) -> bool:
    """Whether the policy may count on a machine of such a pool: it works, sleeps, or is on its way from one to the other."""
    if one.power in _ON:
        return bool(one.busy) or (one.power == Power.UP and one.accepting and one.health in FIT)
    return one.power in (Power.RESUMING, Power.SUSPENDING) or (
        one.power == Power.SUSPENDED and one.health in FIT
    )


def compare(step: Step, pool: str, at_ms: int, listing: Listing, unheard: dict[str, int]) -> None:
    """Bring the books to what the switches said from `at_ms` on. `unheard`: since when a switch is silent; told: -1."""
    rows = _rows(step, pool)
    heard = {instance.id for instance in listing.instances}
    for instance in listing.instances:
        back = unheard.pop(instance.id, None) is not None
        if instance.id in rows:
            _follow(step, rows[instance.id], instance, at_ms)
            if rows[instance.id].health == Health.SUSPECT:
                _hear_again(step, rows[instance.id].id, back, at_ms)
    for name, machine in rows.items():
        if machine.provider_id and name not in heard:
            _miss(step, machine, at_ms, listing.complete, unheard)


def _rows(step: Step, pool: str) -> dict[str, Machine]:
    """The machines of a pool by name; of several with one name that whose agent is there."""
    found = [one for one in step.tx.find(Machine, "pool", pool) if one.power != Power.GONE]
    return {one.name: one for one in sorted(found, key=lambda one: (bool(one.session), one.since_ms))}


def _miss(step: Step, machine: Machine, at_ms: int, complete: bool, unheard: dict[str, int]) -> None:
    """A machine whose switch is not listed: it has none any more, or its switch is silent."""
    if complete:
        step.put(msgspec.structs.replace(machine, provider_id=""))
        return
    since_ms = unheard.setdefault(machine.name, at_ms)
    if since_ms >= 0 and at_ms - since_ms >= UNHEARD_MS:
        unheard[machine.name] = -1
        _alert(step, f"the switch of {machine.name} does not answer: it stays {machine.power}")


def _follow(step: Step, machine: Machine, instance: Instance, at_ms: int) -> None:
    """One machine as its switch has it."""
    if machine.provider_id != instance.id:
        machine = step.put(msgspec.structs.replace(machine, provider_id=instance.id))
    settled = at_ms - machine.since_ms >= SETTLED_MS
    if machine.power == Power.SUSPENDING and instance.state == "stopped" and machine.called:
        _asleep(step, machine)
    elif settled and machine.called and (machine.power, instance.state) in _UNDONE:
        step.put(msgspec.structs.replace(machine, called=False))
    elif settled and machine.power in _ON and instance.state == "stopped" and _silent(step, machine, at_ms):
        _switched_off(step, machine)


def _hear_again(step: Step, machine_id: str, back: bool, at_ms: int) -> None:
    """One that could not be switched on may be tried again when its switch answers that was silent, or after a while."""
    machine = step.need(Machine, machine_id)
    failed = machine.health == Health.SUSPECT and machine.health_reason.startswith(FAILED)
    if failed and machine.power == Power.SUSPENDED and (back or at_ms - machine.since_ms >= STUCK_MS):
        well = step.put(msgspec.structs.replace(machine, health=Health.GOOD, health_reason=""))
        step.tell_machine(well)
        step.woken.add("farm")


def _asleep(step: Step, machine: Machine) -> None:
    """It is off, as it was told: whatever its agent said on the way down is over."""
    after = powered(end_session(step, machine), Power.SUSPENDED, machine.power_reason, step.now_ms)
    if after.health == Health.SUSPECT:
        after = msgspec.structs.replace(after, health=Health.GOOD, health_reason="")
    _put(step, msgspec.structs.replace(after, called=True))


def _silent(step: Step, machine: Machine, at_ms: int) -> bool:
    session = step.tx.get(Session, machine.session) if machine.session else None
    return session is None or at_ms - session.contact_ms >= SILENT_MS


def _switched_off(step: Step, machine: Machine) -> None:
    """Somebody switched it off: what ran there is lost, and nobody wakes it but whoever did that."""
    why = "it was switched off, not by this farm"
    for attempt in step.tx.find(Attempt, "machine", machine.id, True):
        lose(step, attempt, AttemptState.PREEMPTED, retry.gone(why))
    after = end_session(step, step.need(Machine, machine.id))
    after = powered(after, Power.SUSPENDING, why, step.now_ms)
    rest(step, step.put(after).id, why)


def rest(step: Step, machine_id: str, why: str) -> bool:
    """A machine sleeps on, or is said to: nobody counts on it until its agent registers, and people are told."""
    machine = step.need(Machine, machine_id)
    if machine.power not in (Power.RESUMING, Power.SUSPENDING):
        return False
    after = powered(end_session(step, machine), Power.SUSPENDED, why, step.now_ms)
    _suspect(step, msgspec.structs.replace(after, called=True), why)
    return True


def waits(step: Step, machine_id: str, why: str) -> None:
    """Its switch gave no answer and is asked again: that is said to whoever asks why it does not come."""
    machine = step.need(Machine, machine_id)
    if machine.power == Power.RESUMING:
        step.put(msgspec.structs.replace(machine, power_reason=explained(machine.power_reason, why)))


def awake(step: Step, machine_id: str) -> bool:
    """It did not shut down, however long it was asked to: it counts as up, as soon as its agent is heard."""
    machine = step.need(Machine, machine_id)
    if machine.power != Power.SUSPENDING:
        return False
    why = f"it did not shut down in {STUCK_MS // 1000} s"
    _suspect(step, msgspec.structs.replace(powered(machine, Power.UP, why, step.now_ms), called=True), why)
    return True


def _suspect(step: Step, machine: Machine, why: str) -> None:
    """Note it, and tell people, unless they are at that machine already."""
    if machine.health in FIT or machine.health == Health.SUSPECT:
        machine = msgspec.structs.replace(machine, health=Health.SUSPECT, health_reason=why)
        _alert(step, f"{machine.name}: {why}")
    _put(step, machine)
    step.tell_machine(machine)


def _put(step: Step, machine: Machine) -> None:
    """Write a machine with the event of its power."""
    step.put(machine)
    step.tell(Event(kind="power", machine=machine.id, state=machine.power, reason=machine.power_reason))
    step.woken.add("farm")


def _alert(step: Step, reason: str) -> None:
    step.tell(Event(kind="farm", state="alert", reason=reason))
