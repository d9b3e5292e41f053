"""How long a run of another system had its machine: by that system's own word, which tells it to the second.

When we saw it begin or end says little: looks are seconds apart, and a whole run may lie between two of them, or in an
outage of ours or of that system's.
"""

from penstock.model.units import DAY_MS
from penstock.policy.charging.attempts import STEP_MS


def ran_ms(began_ms: int, ended_ms: int, now_ms: int, floor_ms: int) -> int:
    """How much of a run is charged. All are of the wall clock; the first two of that system's, which may be ahead of ours.

    `floor_ms`: what lies before it is entered already as time in which nobody had the machine, or was before it came.
    """
    ahead_ms = max(0, ended_ms - now_ms)
    return max(0, ended_ms - ahead_ms - max(began_ms - ahead_ms, floor_ms))


def floor_ms(seen_ms: int, span_ms: int | None, now_ms: int) -> int:
    """From when on a run can be charged: from when it was seen, or else from when the machine's open span began (None where
    no books are kept). A span ends at midnight, whether that is entered yet or not.

    A machine is up for its system some seconds before it is here: so much may be charged of the span before.
    """
    open_ms = 0 if span_ms is None else max(span_ms, now_ms // DAY_MS * DAY_MS) - STEP_MS
    return min(seen_ms, open_ms)
