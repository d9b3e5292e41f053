"""How fast EC2 is called: a bucket of tokens like its own, halved when it says that it was too fast."""

import threading
from collections.abc import Callable

from penstock.ports import Throttled

MOST, PER_S = 100.0, 2.0
"""EC2 refills the bucket of RunInstances by 2 a second ("Request throttling for the Amazon EC2 API"), others faster."""
LEAST_PER_S = 0.1
KEPT_FOR_DELETES = 20.0
"""So many tokens only those calls get that give machines back: reads and orders yield to them."""
BACK_PER_MINUTE = 0.1
"""After it was halved the rate comes back by so much of the whole a minute."""


class Pace:
    """One account's and region's. `now`: milliseconds; a clock that was set back gives nothing and takes nothing."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._left, self._rate = MOST, PER_S
        self._at_ms = now()

    @property
    def per_s(self) -> float:
        """How fast the bucket is filled now."""
        return self._rate

    def take(self, giving_back: bool = False) -> None:
        """One call. Raises Throttled where it must wait: nothing was sent."""
        with self._lock:
            self._fill()
            if self._left < 1.0 + (0.0 if giving_back else self._kept()):
                raise Throttled(f"our own limit of {self._rate:.1f} calls a second")
            self._left -= 1.0

    def slower(self) -> None:
        """EC2 said that it was too fast."""
        with self._lock:
            self._fill()
            self._rate = max(LEAST_PER_S, self._rate / 2)
            self._left = min(self._left, self._kept() + 1.0)

    def _kept(self) -> float:
        return KEPT_FOR_DELETES * self._rate / PER_S

    def _fill(self) -> None:
        now_ms = self._now()
        passed_s = max(0, now_ms - self._at_ms) / 1000
        self._at_ms = now_ms
        self._left = min(MOST, self._left + passed_s * self._rate)
        self._rate = min(PER_S, self._rate + PER_S * BACK_PER_MINUTE * passed_s / 60)
