"""What one attempt costs: price per hour x share of the machine x time held, in integer micro-units."""

from penstock.model.job import Attempt
from penstock.model.units import MS_PER_HOUR

STEP_MS = 30_000
"""Farm time moves in steps of at most this; a measured time may exceed it by no more."""


def held_ms(attempt: Attempt, now_ms: int, measured_ms: int) -> int:
    """How long the attempt held its slot, in farm time from the grant to `now_ms`.

    What the agent measured is taken where it is finer: farm time stands still between two steps of the leader.
    """
    span_ms = max(0, now_ms - attempt.granted_ms)
    return max(span_ms, min(measured_ms, span_ms + STEP_MS))


def cost_micros(attempt: Attempt, slots: int, held: int) -> int:
    """The cost of holding one of `slots` slots for `held` milliseconds, rounded half up."""
    share = max(1, slots)
    return (2 * attempt.price_per_hour_micros * held + share * MS_PER_HOUR) // (2 * share * MS_PER_HOUR)
