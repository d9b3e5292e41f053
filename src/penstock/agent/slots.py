"""The slots: each a thread that runs one attempt after another, with folders and a keeper of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from penstock.agent.attempt import Attempt, Means

End = Callable[["Held", "dict[str, Any] | None"], object]
"""end(held, finish): called by the slot's thread when the slot is free again; no finish where none is to be told."""


class Held:
    """One attempt that we hold. `begun`: handed to its slot; `confirmed`: the hub has taken our acknowledgement."""

    def __init__(self, offer: dict[str, Any], attempt: Attempt) -> None:
        self.offer = offer
        self.attempt = attempt
        self.begun = False
        self.confirmed = False

    @property
    def never_twice(self) -> bool:
        """It must not run where that is not known to be right."""
        return bool(self.offer.get("retry") == "never")

    def named(self) -> dict[str, Any]:
        """How a poll names it: by what the hub knows of it."""
        state = "running" if self.confirmed else "offered"
        return {"attempt": self.offer["attempt"], "fence": self.offer["fence"], "state": state}


class Slot:
    """One slot. `begin` may be called from any thread, when nothing runs in it."""

    def __init__(self, number: int, means: Means, end: End) -> None:
        self.means = means
        self._end = end
        self._queue: queue.SimpleQueue[Held] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name=f"slot-{number}", daemon=True).start()

    def begin(self, held: Held) -> None:
        """Run this attempt now."""
        held.begun = True
        self._queue.put(held)

    def close(self) -> None:
        """Let go of what attempts were started by; nothing runs any more."""
        self.means.above.close()
        self.means.groups.close()

    def _serve(self) -> None:
        while True:
            held = self._queue.get()
            try:
                finish = held.attempt.run()
            except Exception as error:
                # Nothing may end this thread: the slot would be lost for good.
                finish = _broken(held.offer, error)
            self._end(held, finish)


def _broken(offer: dict[str, Any], error: Exception) -> dict[str, Any]:
    cause = f"the agent failed: {type(error).__name__}: {error}"
    return {
        "attempt": offer["attempt"],
        "fence": offer["fence"],
        "result": "refused",
        "cause": cause,
        "remember": False,
    }
