"""The dead man's switch of a machine whose agent is another system's, which knows nothing of a hub.

Its host's word is what counts: whoever forgot the machine says nothing more, and pays no longer than this.
"""

import time
from collections.abc import Callable


class Lease:
    """`clock`: seconds, standing still while the machine sleeps. Without a limit it never runs out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit_s = 0.0
        self._heard_s = 0.0

    def limit(self, seconds: float) -> None:
        """From now on so long without a word is too long; 0: no time is."""
        self._limit_s = max(0.0, seconds)
        self.renew()

    def renew(self) -> None:
        """The host has said something."""
        self._heard_s = self._clock()

    @property
    def over(self) -> bool:
        """Whether nobody has said anything for too long."""
        return 0 < self._limit_s <= self._clock() - self._heard_s
