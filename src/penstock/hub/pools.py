"""Pools as people handle them: stopped, so that nothing starts there, and started again; and how each stands."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.hub.context import Hub, NotFound
from penstock.hub.explain import About
from penstock.hub.explain.pools import conditions
from penstock.hub.steps import Step, change, look
from penstock.model.curb import Cleared, Stopped
from penstock.model.farm import Event, Farm
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.model.units import seconds
from penstock.policy import retry
from penstock.ports import Tx

Document = dict[str, Any]
CLEARED_MS = 15 * 60_000
"""So long a person's word holds: two listings a minute apart, and some patience with the provider."""


def stop_pool(hub: Hub, pool: str, reason: str) -> bool:
    """Let nothing start in a pool, and nothing be rented for it, until it is started again. What runs there goes on; jobs go
    to other pools that take them, or wait. False when it was stopped already. Raises NotFound."""
    _known(hub, pool)

    def act(step: Step) -> bool:
        if step.tx.get(Stopped, pool) is not None:
            return False
        step.tx.insert(Stopped(pool=pool, since_ms=step.now_ms, reason=reason))
        _tell(step, f"pool {pool} is stopped: {reason}")
        return True

    return change(hub, act)


def clear_pool(hub: Hub, pool: str, reason: str) -> bool:
    """Let all machines of a pool be deleted, for a while, that carry this farm's tag and are in no book, however many they are.
    False when that is so already. Raises NotFound."""
    _known(hub, pool)

    def act(step: Step) -> bool:
        row = step.tx.get(Cleared, pool)
        if row is not None and row.until_ms > step.now_ms:
            return False
        fresh = Cleared(pool=pool, until_ms=step.now_ms + CLEARED_MS, reason=reason)
        if row is None:
            step.tx.insert(fresh)
        else:
            step.put(msgspec.structs.replace(fresh, version=row.version))
        _tell(step, f"pool {pool}: machines that are in no book may be deleted, {reason}")
        return True

    return change(hub, act)


def trust_pool(hub: Hub, pool: str, reason: str) -> bool:
    """Forget what the machines of a pool failed at together, so that jobs start there again. Machines that are out of use for
    other reasons stay so. False when the pool was not suspected. Raises NotFound."""
    _known(hub, pool)

    def act(step: Step) -> bool:
        machines = [one for one in step.tx.find(Machine, "pool", pool) if one.power != Power.GONE]
        if not retry.pool_failed(machines, (), step.now_ms):
            return False
        for one in retry.failing(machines, step.now_ms):
            step.tell_machine(step.put(retry.forgiven(one)), reason)
        _tell(step, f"pool {pool}: its machines are {reason}")
        return True

    return change(hub, act)


def start_pool(hub: Hub, pool: str, reason: str) -> bool:
    """Use a pool again. False when it was not stopped. Raises NotFound."""

    def act(step: Step) -> bool:
        row = step.tx.get(Stopped, pool)
        if row is None:
            _known(hub, pool)
            return False
        step.tx.delete(row)
        _tell(step, f"pool {pool} is used again: {reason}")
        return True

    return change(hub, act)


def pools_view(hub: Hub) -> Document:
    """All pools of farm.toml in its order: machines by power, jobs that run, whether a person has stopped it, and what is to be
    said of it, in the words in which jobs that wait for it are explained."""

    def read(tx: Tx, farm: Farm) -> Document:
        stopped = {row.pool: row for row in tx.find(Stopped, "key")}
        notes: dict[str, list[About]] = {}
        for one in conditions(hub, tx, farm):
            notes.setdefault(one.subject, []).append(one)
        lines = [_line(tx, farm, pool, stopped.get(pool.name)) for pool in hub.rules.pools]
        return {"pools": [{**line, "notes": _notes(notes.get(f"pool {line['name']}", ()))} for line in lines]}

    return look(hub, read)


def _notes(found: Iterable[About]) -> list[Document]:
    return [{"subject": one.subject, "code": one.code, "text": one.text} for one in found]


def _line(tx: Tx, farm: Farm, pool: Pool, stopped: Stopped | None) -> Document:
    machines = [one for one in tx.find(Machine, "pool", pool.name) if one.power != Power.GONE]
    return {
        "name": pool.name,
        "provider": pool.provider,
        "machines": dict(sorted(Counter(str(one.power) for one in machines).items())),
        "running": sum(len(one.busy) for one in machines),
        "stopped": stopped is not None,
        "stopped_for_s": seconds(farm.time_ms - stopped.since_ms) if stopped else None,
        "reason": stopped.reason if stopped else "",
    }


def _known(hub: Hub, pool: str) -> None:
    if pool not in {one.name for one in hub.rules.pools}:
        raise NotFound("pool", pool)


def _tell(step: Step, reason: str) -> None:
    step.tell(Event(kind="farm", state="pool", reason=reason))
    step.woken.add("farm")
