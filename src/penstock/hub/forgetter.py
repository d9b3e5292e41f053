"""Forgets machines that are gone: their rows, sessions and credentials. What ran there and what they cost is kept elsewhere.

A farm that rents has thousands of machines a day, and every list of machines reads them all.
"""

from functools import partial

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead
from penstock.model.job import Attempt
from penstock.model.ledger import Meter
from penstock.model.machine import Credential, Machine, Session
from penstock.model.states import Power
from penstock.model.units import DAY_MS

KEPT_MS = 7 * DAY_MS
"""So long after it is gone people can still look at it, in farm time."""
LOOKED_AT = 200
"""In one pass; the next one goes on behind them."""


class Forgetter:
    """One leader's: goes round all that are gone, some in each pass."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._after: tuple[str, ...] = ()

    def run_once(self, now_ms: int) -> dict[str, int]:
        """Forget some of what is gone for long. Returns how many machines."""
        if now_ms < KEPT_MS:
            return {"forgotten": 0}
        seen, forgotten = lead(self._hub, partial(_forget, after=self._after, before_ms=now_ms - KEPT_MS))
        self._after = seen
        return {"forgotten": forgotten}


def _forget(step: Step, after: tuple[str, ...], before_ms: int) -> tuple[tuple[str, ...], int]:
    gone = step.tx.find(Machine, "power", Power.GONE, limit=LOOKED_AT, after=after)
    old = [one for one in gone if one.since_ms <= before_ms and _is_done_with(step, one)]
    for machine in old:
        sessions = step.tx.find(Session, "open", False, machine.id)
        credentials = step.tx.find(Credential, "machine", machine.id)
        for record in (*sessions, *credentials, machine):
            step.tx.delete(record)
    return ((gone[-1].id,) if len(gone) == LOOKED_AT else ()), len(old)


def _is_done_with(step: Step, machine: Machine) -> bool:
    """Nothing lives there, and its last second is in the books."""
    if step.tx.find(Attempt, "machine", machine.id, True, limit=1):
        return False
    return not step.tx.find(Session, "open", True, machine.id) and step.tx.get(Meter, machine.id) is None
