"""Holds a pool as it is while so many of its machines say nothing that it is hardly they that are gone (policy/silence).

That it is held is written down beside how its provider stands, so every hub process knows it and a new leader goes on with
it; what that forbids follows in hub/curbing. It ends by itself, in the first pass that finds fewer silent machines.
"""

from collections.abc import Iterable
from functools import partial

from penstock.hub.context import Hub
from penstock.hub.dealings import Dealings, dealings
from penstock.hub.steps import Step, lead, look
from penstock.model.farm import Event
from penstock.model.machine import Machine
from penstock.policy import silence


class Holder:
    """One leader's. `dealings`: where it writes down what is held."""

    def __init__(self, hub: Hub, written: Dealings) -> None:
        self._hub, self._written = hub, written
        self._since_ms: dict[str, int] | None = None

    def run_once(self, machines: Iterable[Machine], now_ms: int) -> frozenset[str]:
        """Look at all pools that providers give machines of. Returns those that are held."""
        held = self._known()
        mine: dict[str, list[Machine]] = {pool: [] for pool in self._hub.providers}
        for one in machines:
            if one.pool in mine:
                mine[one.pool].append(one)
        for pool, found in mine.items():
            silent, up = silence.counted(found)
            if silence.too_many(silent, up) != (pool in held):
                self._turn(held, pool, (silent, up), now_ms)
        return frozenset(held)

    def _known(self) -> dict[str, int]:
        """Since when pools are held; the first time as the last leader left it."""
        if self._since_ms is None:
            found = look(self._hub, lambda tx, farm: dealings(tx))
            self._since_ms = {
                pool: one.silent_since_ms
                for pool, one in found.items()
                if one.silent_since_ms and pool in self._hub.providers
            }
            for pool, since_ms in self._since_ms.items():
                self._written.silent(pool, since_ms)
        return self._since_ms

    def _turn(self, held: dict[str, int], pool: str, count: tuple[int, int], now_ms: int) -> None:
        """A pool is held from now on, or not any more. People are told."""
        silent, up = count
        what = "nothing is rented, woken, suspended or given back there until fewer are silent"
        if pool in held:
            what = "machines are rented, woken, suspended and given back there again"
        event = Event(
            kind="farm",
            state="pool" if pool in held else "alert",
            reason=f"{silent} of the {up} machines of {pool} that are up say nothing: {what}",
        )
        lead(self._hub, partial(_tell, event=event))
        if held.pop(pool, 0) == 0:
            held[pool] = max(1, now_ms)
        self._written.silent(pool, held.get(pool, 0))
        self._written.write(now_ms)


def _tell(step: Step, event: Event) -> None:
    step.tell(event)
    step.woken.add("farm")
