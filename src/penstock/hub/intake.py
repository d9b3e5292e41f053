"""Where a farm begins, and what is put right when its process begins again."""

import msgspec

from penstock.hub.context import Hub
from penstock.hub.ender import lose
from penstock.hub.sessions import end_session
from penstock.hub.steps import Step, change, lead
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.states import AttemptState
from penstock.policy import retry
from penstock.ports import Tx


def open_farm(hub: Hub, name: str) -> Farm:
    """Make the farm's row, or load it, and lead from now: whoever led before changes nothing more.

    Pass the result to loop.Services; its `leader_epoch` is what deciding transactions are checked against.
    """
    uid, incarnation, leader = (hub.entropy.token(size) for size in (10, 5, 10))

    def begin(tx: Tx) -> Farm:
        farm = tx.get(Farm, "farm")
        if farm is None:
            farm = Farm(name=name, uid=uid, incarnation=incarnation, leader=leader, leader_epoch=1)
            tx.insert(farm)
            return farm
        farm = msgspec.structs.replace(farm, leader=leader, leader_epoch=farm.leader_epoch + 1)
        tx.replace(farm)
        return msgspec.structs.replace(farm, version=farm.version + 1)

    return hub.store.write(begin)


def make_farm(hub: Hub) -> Farm:
    """The farm's row, made where there is none; nobody leads a farm that was just made."""
    uid, incarnation = (hub.entropy.token(size) for size in (10, 5))

    def make(tx: Tx) -> Farm:
        farm = tx.get(Farm, "farm")
        if farm is None:
            farm = Farm(name=hub.rules.name, uid=uid, incarnation=incarnation)
            tx.insert(farm)
        return farm

    return hub.store.write(make)


def end_stale(hub: Hub) -> int:
    """End what agents of local pools held: they died with the process that had the folder before.

    Neither the jobs' retries nor the machines' record suffers. Finishes that were recorded are settled as usual.
    Returns how many attempts were ended. Call it while no local agent runs. Raises NotLeading for a hub that decides
    under an epoch that is over.
    """
    local = [pool.name for pool in hub.rules.pools if pool.provider == "local"]

    def end(step: Step) -> int:
        ended = 0
        for pool in local:
            for machine in step.tx.find(Machine, "pool", pool):
                ended += _end_machine(step, machine)
        if ended:
            step.tell(Event(kind="farm", state="stale", reason=f"{ended} attempts ended: farm stopped"))
        return ended

    return change(hub, end) if hub.epoch is None else lead(hub, end)


def _end_machine(step: Step, machine: Machine) -> int:
    after = end_session(step, machine)
    if after != machine:
        step.put(after)
    live = step.tx.find(Attempt, "machine", machine.id, True)
    for attempt in live:
        lose(step, attempt, AttemptState.LOST, retry.FARM_STOPPED)
    return len(live)
