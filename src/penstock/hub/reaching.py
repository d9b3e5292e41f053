"""Which attempts may reach the world through the hub, and since when they may not any more."""

from collections.abc import Collection, Iterable

from penstock.hub.context import Hub, Refused
from penstock.hub.queue import Right, may_write
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine, Session
from penstock.model.rules import Rules
from penstock.model.states import AttemptState
from penstock.policy.reaching import Entry, entry_of
from penstock.ports import Tx

NOTHING = "this attempt reaches nothing through the hub: its job or its pool does not say so"


def reached_by(hub: Hub, session: Session, attempt: str, fence: str) -> tuple[Entry, ...]:
    """What a running attempt of this machine may reach. Raises Refused, NotFound."""
    found = may_write(hub, session, attempt, fence)
    if found.state != AttemptState.RUNNING:
        raise Refused("it does not run yet: acknowledge it first", stop=False)
    job = look(hub, lambda tx, _: tx.get(Job, found.job))
    entries = entries_of(hub.rules, found.pool)
    if not entries or job is None or job.spec.network != "full":
        raise Refused(NOTHING, stop=False)
    return entries


def entries_of(rules: Rules, pool: str) -> tuple[Entry, ...]:
    """What machines of a pool may reach through the hub."""
    reaches = (one.reaches for one in rules.pools if one.name == pool and one.network == "hub-only")
    return tuple(entry_of(text) for text in next(reaches, ()))


def ended(hub: Hub, rights: Iterable[Right]) -> Collection[Right]:
    """Those of these rights that are over: the attempt does not run under it, or its machine has no session."""

    def check(tx: Tx, _: Farm) -> list[Right]:
        return [right for right in rights if not _holds(tx, right)]

    return look(hub, check)


def _holds(tx: Tx, right: Right) -> bool:
    attempt, machine = tx.get(Attempt, right.attempt), tx.get(Machine, right.machine)
    return (
        attempt is not None
        and (attempt.fence, attempt.machine) == (right.fence, right.machine)
        and attempt.state == AttemptState.RUNNING
        and machine is not None
        and bool(machine.session)
    )
