"""The deciding services of the leader, in a fixed order. Whoever owns the thread calls `run_once` when the bell
rings or its timer says so."""

from dataclasses import replace

from penstock.hub import closer, placer, recorder, releaser, rescuer, settler
from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.hub.timekeeper import Timekeeper
from penstock.model.farm import Farm

SELDOM_MS = 60_000
"""How often everything is derived again, in farm time."""


class Services:
    """All services of one leader. `farm`: what intake.open_farm returned; without it whoever leads now is joined."""

    def __init__(self, hub: Hub, farm: Farm | None = None, timekeeper: Timekeeper | None = None) -> None:
        led = farm if farm is not None else look(hub, lambda tx, row: row)
        self.hub = replace(hub, epoch=led.leader_epoch)
        self._timekeeper = timekeeper or Timekeeper(self.hub)
        self._derived_ms: int | None = None

    def run_once(self, monotonic_ms: int) -> dict[str, int]:
        """One pass at this reading of the monotonic clock. Returns what was done, by name.

        A frozen farm is told of, and time goes on in it: nothing is placed, settled, ended or deleted.

        Raises context.NotLeading when another process leads: then this one must stop.
        """
        farm = self._timekeeper.run_once(monotonic_ms)
        now_ms = farm.time_ms
        if farm.frozen:
            return recorder.run_once(self.hub, now_ms)
        counts = settler.run_once(self.hub, now_ms)
        counts |= rescuer.run_once(self.hub, now_ms)
        if self._derived_ms is None or now_ms - self._derived_ms >= SELDOM_MS:
            counts |= releaser.run_once(self.hub, now_ms)
            self._derived_ms = now_ms
        counts |= placer.run_once(self.hub, now_ms)
        counts |= closer.run_once(self.hub, now_ms)
        return counts | recorder.run_once(self.hub, now_ms)
