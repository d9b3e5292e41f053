"""Which life of a farm this is: frozen and thawed by people, checked against the mark beside its blobs.

A database that was put back from elsewhere (a copy of its files, an old replica) does not know that the farm lived
on without it. The mark in the blob store does: a database behind it begins a new incarnation, frozen. So does every
restored backup. A frozen farm lists and reports; it starts and deletes nothing.
"""

import msgspec

from penstock.hub.context import Hub, Refused
from penstock.hub.ender import lose
from penstock.hub.steps import Step, change, look
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.machine import Credential, Machine, Session
from penstock.model.states import POWER, AttemptState, Power, SessionState
from penstock.policy import retry
from penstock.ports import Marks, StoreError

MARK = "farm"
"""The name of the mark. One farm to a blob store: two would take each other's mark for their own past."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a farm had come when it was last noted: it is never behind this again."""

    uid: str
    incarnation: str
    leader_epoch: int
    time_ms: int


def behind(farm: Farm, mark: Mark | None) -> str:
    """Why this database is older than what the farm has lived through; "" when it is not."""
    if mark is None or mark.uid != farm.uid:
        return ""
    if mark.incarnation != farm.incarnation:
        known = mark.incarnation in farm.adopted
        return "" if known else f"incarnation {mark.incarnation} has run since"
    if (farm.leader_epoch, farm.time_ms) < (mark.leader_epoch, mark.time_ms):
        return f"it had come to {mark.time_ms} ms of farm time, this one is at {farm.time_ms} ms"
    return ""


def check(hub: Hub, marks: Marks) -> str:
    """Freeze a farm that is behind its mark, under a new incarnation. Returns why, "" when it is not behind.

    To be called before this process leads for the first time, and by every process.
    """
    mark = read_mark(marks)
    reason = behind(look(hub, lambda tx, farm: farm), mark)
    if not reason or mark is None:
        return reason
    incarnation = hub.entropy.token(5)

    def act(step: Step) -> str:
        if not behind(step.farm, mark):
            return ""
        older = {step.farm.incarnation: None, mark.incarnation: None}
        _put(
            step,
            "behind",
            frozen=True,
            frozen_reason=f"the database is older than the farm: {reason}",
            incarnation=incarnation,
            adopted=(*step.farm.adopted, *older),
        )
        return reason

    return change(hub, act)


def note(hub: Hub, marks: Marks) -> None:
    """Write the mark of a farm that is not frozen, after what it speaks of is durable."""
    farm = look(hub, lambda tx, row: row)
    if not farm.frozen:
        said = Mark(
            uid=farm.uid,
            incarnation=farm.incarnation,
            leader_epoch=farm.leader_epoch,
            time_ms=farm.time_ms,
        )
        marks.write(MARK, msgspec.json.encode(said))


def read_mark(marks: Marks) -> Mark | None:
    """The mark, None where no farm has left one. Raises StoreError for one that cannot be read."""
    text = marks.read(MARK)
    try:
        return None if text is None else msgspec.json.decode(text, type=Mark)
    except msgspec.DecodeError as wrong:
        raise StoreError(f"the farm's mark in the blob store is damaged: {wrong}") from wrong


def freeze(hub: Hub, reason: str, address: str = "") -> bool:
    """Decide nothing until `thaw`; what runs goes on. With `address` agents and what they say go there from now on:
    nothing is accepted here any more. False when it is frozen so already."""

    def act(step: Step) -> bool:
        if step.farm.frozen and address in ("", step.farm.address):
            return False  # nor does a moved farm take its agents back by this
        _put(step, "frozen", frozen=True, frozen_reason=reason, address=address)
        return True

    return change(hub, act)


def adopt(hub: Hub) -> bool:
    """This is the farm: it goes on, and what carries its older incarnations is its own. False when it is not frozen."""

    def act(step: Step) -> bool:
        if step.farm.frozen:
            _put(step, "thawed", frozen=False, frozen_reason="", address="")
        return step.farm.frozen

    return change(hub, act)


def as_copy(hub: Hub, name: str = "") -> bool:
    """This is another farm with the same past: it begins without machines, and nothing of the other's is its own.

    False when it is not frozen; Refused for a farm that was only frozen by hand: its machines are still its own.
    """
    uid = hub.entropy.token(10)

    def act(step: Step) -> bool:
        if not step.farm.frozen:
            return False
        if not step.farm.adopted:
            raise Refused(
                "this farm was not restored: there is no other that it could be a copy of; thaw it with --adopt",
                stop=False,
            )
        for attempt in step.tx.find(Attempt, "live", True):
            lose(step, attempt, AttemptState.LOST, retry.FARM_STOPPED)
        _leave_machines(step)
        changes = {"uid": uid, "adopted": (), "name": name or step.farm.name}
        _put(step, "copied", frozen=False, frozen_reason="", address="", **changes)
        return True

    return change(hub, act)


def _leave_machines(step: Step) -> None:
    """Machines belong to the other farm: they are gone from these books, and their credentials are no good here."""
    for machine in step.tx.find(Machine, "key"):
        if POWER.allows(machine.power, Power.GONE):
            step.put(msgspec.structs.replace(machine, power=Power.GONE, accepting=False, session=""))
    for session in step.tx.find(Session, "open", True):
        step.put(msgspec.structs.replace(session, state=SessionState.GONE, open=False))
    for credential in step.tx.find(Credential, "key"):
        if not credential.revoked:
            step.put(msgspec.structs.replace(credential, revoked=True))


def _put(step: Step, state: str, **changes: object) -> None:
    farm = step.put(msgspec.structs.replace(step.farm, **changes))
    step.tell(Event(kind="farm", state=state, reason=farm.frozen_reason or f"incarnation {farm.incarnation}"))
    step.woken.add("farm")
