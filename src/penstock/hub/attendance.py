"""Machines whose agent is another system's: up while that system sees their agent, and stopped only after it gives them
nothing more and they run nothing there. Inside transactions."""

import msgspec

from penstock.hub.renter import turn
from penstock.hub.sessions import end_session
from penstock.hub.steps import Step
from penstock.hub.wishes import told, wish_of
from penstock.model.foreign import Agent
from penstock.model.machine import Machine, Session, powered
from penstock.model.rules import Pool
from penstock.model.states import Health, Power, SessionState
from penstock.model.units import NEVER_MS, Size

COMING = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING, Power.RESUMING)
UNSEEN = "its system does not see its agent"


def let_go(step: Step, machine_id: str) -> bool:
    """Its system gives this machine nothing more, and it runs nothing: it stops."""
    machine = step.need(Machine, machine_id)
    power = wish_of(machine)
    if power is None:
        return False
    return turn(step, machine_id, power, machine.power_reason.partition(": ")[2])


def keep(step: Step, machine_id: str, why: str) -> bool:
    """A machine that was to stop is needed after all, or nobody knows whether it is."""
    machine = step.need(Machine, machine_id)
    if wish_of(machine) is None:
        return False
    after = powered(machine, Power.UP, why, step.now_ms)
    told(step, msgspec.structs.replace(after, accepting=bool(machine.session)))
    return True


def rise(step: Step, machine_id: str, agent: Agent) -> bool:
    """Its system sees this machine's agent: it is up, and takes jobs unless people have paused it there."""
    machine = step.need(Machine, machine_id)
    if machine.power not in (*COMING, Power.UP):
        return False
    takes = not agent.paused or agent.paused_by_us
    after = machine if machine.session else _joined(step, machine)
    if machine.power != Power.UP:
        after = powered(after, Power.UP, machine.power_reason, step.now_ms)
        after = msgspec.structs.replace(after, called=True)
    if after.health == Health.SUSPECT:
        after = msgspec.structs.replace(after, health=Health.GOOD, health_reason="")
    after = msgspec.structs.replace(after, accepting=takes)
    if after == machine:
        return False
    if machine.power != Power.UP:
        told(step, after)
    else:
        step.tell_machine(step.put(after))
    return True


def fall(step: Step, machine_id: str) -> bool:
    """Its system answers, and does not see this machine's agent: it takes nothing until it does."""
    machine = step.need(Machine, machine_id)
    if machine.power != Power.UP or not machine.session:
        return False
    after = end_session(step, machine)
    if after.health in (Health.UNKNOWN, Health.GOOD):
        after = msgspec.structs.replace(after, health=Health.SUSPECT, health_reason=UNSEEN)
    step.tell_machine(step.put(after))
    return True


def enrol(step: Step, pool: Pool, agent: Agent, machine_id: str) -> Machine:
    """An agent that nobody ordered, of a pool whose machines come by themselves."""
    known = [one for one in step.tx.find(Machine, "pool", pool.name, agent.name) if one.power != Power.GONE]
    if known:
        return known[0]
    machine = Machine(
        id=machine_id,
        name=agent.name,
        pool=pool.name,
        platforms=pool.platforms,
        trust=pool.trust,
        slots=pool.slots,
        has=pool.size or Size(pool.slots, None),
        sized=pool.size is not None,
        price_per_hour_micros=pool.price_per_hour_micros,
    )
    step.tx.insert(machine)
    return machine


def _joined(step: Step, machine: Machine) -> Machine:
    """With a session of its own, which only its system can end: no agent calls us in it."""
    session = Session(
        id=step.hub.entropy.token(12),
        machine=machine.id,
        state=SessionState.IDLE,
        contact_ms=NEVER_MS,
        started_ms=step.now_ms,
        expires_ms=NEVER_MS,
    )
    step.tx.insert(session)
    agent = next(pool.agent for pool in step.hub.rules.pools if pool.name == machine.pool)
    return msgspec.structs.replace(machine, session=session.id, sandbox="plain", agent=agent)
