"""What a limit needs to know of prices and of jobs. Money is a float of the farm's currency, time is milliseconds."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Moments = npt.NDArray[np.int64]
"""Milliseconds, one for each job."""
Reals = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Span(NamedTuple):
    """Jobs of one market: when each became runnable, and how long it runs (at least 0) on what is rented there.

    `owned_ms`: how long it runs on what is owned there; None: just as long.
    """

    submitted_ms: Moments
    run_ms: Moments
    owned_ms: Moments | None = None


@dataclass(frozen=True, slots=True)
class Rent:
    """Rented slots of one kind beside `owned` free ones.

    `price`: of a slot that is on, for a millisecond. `boot_ms`: paid before a new machine's first job.
    `cold_ms`: how much longer that job runs. `resume_ms`: paid when a stopped machine is called back, None where
    it cannot be stopped. `stopped`: what a stopped slot costs for a millisecond. None of them is negative.
    """

    price: float
    boot_ms: int = 0
    cold_ms: int = 0
    resume_ms: float | None = None
    stopped: float = 0.0
    owned: int = 0

    @property
    def wake(self) -> float:
        """What a new machine costs, beside the work that its first job is when it is not cold."""
        return self.price * (self.boot_ms + self.cold_ms)

    @property
    def stops(self) -> bool:
        """Whether a stopped machine can ever be cheaper than one that stays on."""
        return self.resume_ms is not None and self.stopped < self.price

    @property
    def resume(self) -> float:
        """What being stopped once costs, beside `stopped` for the whole of the gap.

        A machine is called back before the gap ends, and is not paid for as a stopped one from then on.
        """
        return (self.price - self.stopped) * (self.resume_ms or 0)

    def kept(self, gap_ms: Reals) -> Reals:
        """The least that one machine costs between two of its jobs when it is not given back."""
        on = self.price * gap_ms
        return np.minimum(on, self.resume + self.stopped * gap_ms) if self.stops else on

    def bridged(self, gap_ms: Reals) -> Reals:
        """The least that any machine costs which is there again after a gap: concave and never falling."""
        return np.minimum(self.kept(gap_ms), self.wake)
