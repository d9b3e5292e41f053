"""Advances farm time (I10): by the leader's monotonic step, never by more than 30 s, never from a wall clock."""

import threading

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead
from penstock.model.farm import Farm

STEP_MS = 30_000
"""The most that farm time moves at once: a stalled leader ends nobody's right."""


class Timekeeper:
    """Remembers when it last advanced farm time; a new one begins without a step, or at `began_ms` of the monotonic
    clock, when its term was written down. Any thread may call it: each moment is counted once."""

    def __init__(self, hub: Hub, began_ms: int | None = None) -> None:
        self._hub = hub
        self._last_ms = began_ms
        self._lock = threading.Lock()

    @property
    def last_ms(self) -> int | None:
        """The reading of the monotonic clock at which farm time was last written; the write came after it."""
        return self._last_ms

    def run_once(self, monotonic_ms: int) -> Farm:
        """Advance farm time to this reading of the monotonic clock. Returns the farm's row. Raises NotLeading."""
        with self._lock:
            last_ms = monotonic_ms if self._last_ms is None else self._last_ms
            step_ms = min(max(0, monotonic_ms - last_ms), STEP_MS)

            def advance(step: Step) -> Farm:
                if not step_ms:
                    return step.farm
                return step.put(msgspec.structs.replace(step.farm, time_ms=step.farm.time_ms + step_ms))

            farm = lead(self._hub, advance, frozen_too=True)
            self._last_ms = max(last_ms, monotonic_ms)
            return farm
