"""All machines for people, of every provider alike: what each is and why, what it has cost, what happens to it next."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.hub.context import Hub, NotFound, Refused
from penstock.hub.explain.machines import Plan, next_of
from penstock.hub.explain.pools import conditions
from penstock.hub.explain.told import About
from penstock.hub.overview import KEPT_S, condition
from penstock.hub.steps import look
from penstock.model.decision import Memory
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Meter
from penstock.model.machine import Machine, Session
from penstock.model.rules import Pool, Rules
from penstock.model.states import Health, Power
from penstock.model.units import decimal_text, seconds
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.rows import unpacked
from penstock.policy.capacity.setting import Choice
from penstock.policy.charging.meters import Moment, Terms
from penstock.policy.charging.unentered import running_up
from penstock.ports import ProviderError, Tx

Document = dict[str, Any]
TROUBLE = (Health.BAD, Health.SUSPECT, Health.QUARANTINED, Health.MAINTENANCE)


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Machines that are not gone, those that need somebody first, with open sessions, meters and plans by machine; and what
    is to be said of whole pools."""

    farm: Farm
    machines: tuple[Machine, ...]
    sessions: dict[str, Session]
    meters: dict[str, Meter]
    plans: Mapping[str, Plan]
    pools: dict[str, Pool]
    notes: tuple[About, ...] = ()
    wall_ms: int

    def line(self, machine: Machine) -> Document:
        """What is said of one machine. `silent_s`: how long nobody heard of its agent; times are of farm time, but for those
        that money is counted by."""
        session, meter = self.sessions.get(machine.id), self.meters.get(machine.id)
        now_ms, pool = self.farm.time_ms, self.pools.get(machine.pool)
        return {
            "id": machine.id,
            "name": machine.name,
            "pool": machine.pool,
            "provider": pool.provider if pool else "",
            "power": str(machine.power),
            "health": str(machine.health),
            "reason": machine.health_reason,
            "session": condition(machine, session),
            "silent_s": seconds(max(0, now_ms - session.contact_ms)) if session else None,
            "cores": machine.has.cores,
            "memory_mb": machine.has.memory_mb,
            "slots": machine.slots,
            "busy": len(machine.busy),
            "sandbox": machine.sandbox,
            "trust": machine.trust,
            "platforms": machine.platforms,
            "agent": machine.agent,
            "offer": machine.offer,
            "price_per_hour": decimal_text(machine.price_per_hour_micros),
            "why": machine.power_reason,
            "next": next_of(machine, pool, self.plans.get(machine.id, Plan()), now_ms),
            "age_s": seconds(self.wall_ms - meter.first_ms) if meter else None,
            "cost": decimal_text(self._cost_micros(meter)) if meter else None,
        }

    def _cost_micros(self, meter: Meter) -> int:
        """All that its spans hold, and what the open one has come to."""
        at = Moment(self.wall_ms, self.farm.time_ms)
        return meter.paid_micros + running_up(meter, Terms(), at)


class Fleets:
    """All machines; who asks within KEPT_S of each other is shown the same."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._made: tuple[float, Fleet] | None = None
        self._plans: tuple[int, Mapping[str, Plan]] = (-1, {})

    def now(self) -> Fleet:
        """The machines of now, or of a moment ago."""
        with self._lock:
            if self._made is None or time.monotonic() - self._made[0] > KEPT_S:
                made = self._read()
                self._made = time.monotonic(), made
            return self._made[1]

    def _read(self) -> Fleet:
        hub = self._hub
        found = look(hub, lambda tx, farm: fleet(tx, farm, hub))
        memory = look(hub, lambda tx, farm: tx.get(Memory, "capacity"))
        if memory is not None and memory.version != self._plans[0]:
            self._plans = memory.version, plans(memory, hub.rules)
        return msgspec.structs.replace(found, plans=self._plans[1])


def fleet(tx: Tx, farm: Farm, hub: Hub) -> Fleet:
    """All machines, without what the policy has fixed for them."""
    machines = [machine for machine in tx.find(Machine, "pool") if machine.power != Power.GONE]
    return Fleet(
        farm=farm,
        machines=tuple(sorted(machines, key=_order)),
        sessions={session.machine: session for session in tx.find(Session, "open", True)},
        meters={meter.machine: meter for meter in tx.find(Meter, "key")},
        plans={},
        pools={pool.name: pool for pool in hub.rules.pools},
        notes=tuple(conditions(hub, tx, farm)),
        wall_ms=hub.clock.wall_ms(),
    )


def plans(memory: Memory, rules: Rules) -> dict[str, Plan]:
    """What the policy has fixed for idle and suspended machines, as the leader last wrote it down: seconds ago."""
    rows = unpacked(memory.content, rules, Choice())
    columns = rows.farm.machines
    found = {}
    for machine, row in rows.machines.items():
        state = columns[c.MACHINE_STATE][row]
        if state == c.IDLE:
            found[machine] = Plan(columns[c.MACHINE_STOP_MS][row], columns[c.MACHINE_GONE_MS][row])
        elif state in (c.SUSPENDING, c.STOPPED):
            found[machine] = Plan(gone_ms=columns[c.MACHINE_GONE_MS][row])
    return found


def running_on(hub: Hub, machines: Sequence[str]) -> dict[str, list[Document]]:
    """What each of these machines runs now, by slot."""

    def read(tx: Tx) -> dict[str, list[Document]]:
        return {
            machine: [_slot(tx, a) for a in tx.find(Attempt, "machine", machine, True)]
            for machine in machines
        }

    return hub.store.read(read)


def machines_view(hub: Hub) -> Document:
    """All machines with their states, what runs on them, what they have cost and what happens to them next."""
    found = Fleets(hub).now()
    running = running_on(hub, [one.id for one in found.machines if one.busy])
    return {
        "currency": hub.rules.currency,
        "notes": [{"subject": one.subject, "code": one.code, "text": one.text} for one in found.notes],
        "machines": [
            found.line(one)
            | {
                "session": str(found.sessions[one.id].state) if one.id in found.sessions else "GONE",
                "running": [slot["job"] for slot in running.get(one.id, [])],
            }
            for one in found.machines
        ],
    }


def console_view(hub: Hub, machine_id: str) -> Document:
    """The last that a machine printed, as its provider has kept it. Raises NotFound; Refused where nobody can say."""
    machine = hub.store.read(lambda tx: tx.get(Machine, machine_id))
    if machine is None:
        raise NotFound("machine", machine_id)
    provider = hub.providers.get(machine.pool)
    if provider is None or not machine.provider_id:
        raise Refused(f"nobody keeps what {machine.name} prints: its agent enrolled by itself", stop=False)
    try:
        return {"console": provider.console(machine.provider_id)}
    except ProviderError as problem:
        raise Refused(f"the provider of {machine.name} did not say: {problem}", stop=False) from problem


def _order(machine: Machine) -> tuple[str, bool, bool, tuple[int, str]]:
    """By pool; trouble first, then those that work; names with numbers in the order of these."""
    return machine.pool, machine.health not in TROUBLE, not machine.busy, (len(machine.name), machine.name)


def _slot(tx: Tx, attempt: Attempt) -> Document:
    job = tx.get(Job, attempt.job)
    return {
        "slot": attempt.slot,
        "n": attempt.n,
        "job": attempt.job,
        "name": job.name if job else attempt.job,
        "state": str(attempt.state),
        "since_s": seconds(attempt.started_ms or attempt.offered_ms),
    }
