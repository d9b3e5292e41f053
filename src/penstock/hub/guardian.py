"""Holds grants and budgets against the guards of farm.toml, writes where each guard stands, and tells who is to be told.

What a guard forbids follows from these rows alone (hub/curbing), so every pass of every hub process asserts it again.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from penstock.hub.context import Hub
from penstock.hub.costs.agreed import Agreed
from penstock.hub.steps import Step, lead, look
from penstock.model.curb import Figure
from penstock.model.farm import Event, Farm
from penstock.model.ledger import Guarding
from penstock.policy.budgets.guarding import Turn, decide
from penstock.ports import Tx

SELDOM_MS = 60_000
"""How often limits are looked at, in farm time."""
NOTHING = {"guarded": 0}


class Guardian:
    """One leader's."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._agreed = Agreed()
        self._looked_ms: int | None = None

    def run_once(self, now_ms: int) -> dict[str, int]:
        """One pass; a look once a minute of farm time. Returns how many steps guards made."""
        if self._looked_ms is not None:
            is_early = now_ms - self._looked_ms < SELDOM_MS
            if is_early or not self._hub.rules.guards:
                return NOTHING
        self._looked_ms = now_ms
        rows, found = look(self._hub, self._load)
        turns = decide(self._hub.rules, rows, found, now_ms)
        gone = [row for name, row in rows.items() if name not in {one.name for one in self._hub.rules.guards}]
        if not turns and not gone:
            return NOTHING
        return {"guarded": lead(self._hub, partial(_apply, turns=turns, gone=gone))}

    def _load(self, tx: Tx, farm: Farm) -> tuple[dict[str, Guarding], dict[str, Figure]]:
        rows = {row.name: row for row in tx.find(Guarding, "key")}
        if not self._hub.rules.guards:
            return rows, {}
        return rows, self._agreed.figures(self._hub, tx, farm)


def _apply(step: Step, turns: Sequence[Turn], gone: Sequence[Guarding]) -> int:
    """Write the steps of guards that stand where they were looked at; a person may have been quicker."""
    made = 0
    stale: set[str] = set()
    for turn in turns:
        known = step.tx.get(Guarding, turn.before.name)
        if turn.before.version == 0 and known is None:
            step.tx.insert(turn.before)
        elif known is None or (known.state, known.since_ms) != (turn.before.state, turn.before.since_ms):
            stale.add(turn.before.name)
        if turn.before.name not in stale:
            write(step, turn.after, turn.alerts)
            made += 1
    for row in gone:
        known = step.tx.get(Guarding, row.name)
        if known is not None and known.version == row.version:
            step.tx.delete(known)
            step.tell(
                Event(kind="guard", state="gone", reason=f"guard {row.name} is not in farm.toml any more")
            )
            step.woken.add("farm")
    return made


def write(step: Step, after: Guarding, alerts: Sequence[str]) -> None:
    """One guard as it stands now, told; who decides is woken, because other things may be done now."""
    known = step.need(Guarding, after.name)
    step.put(msgspec.structs.replace(after, version=known.version))
    said = f"guard {after.name} is {after.state}: {after.reason}"
    step.tell(Event(kind="guard", state=after.state, reason=said))
    for whom in alerts:
        step.tell(Event(kind="alert", state=after.state, reason=f"{said}; to be told to {whom}"))
    step.woken.add("farm")
