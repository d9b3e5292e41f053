"""Axes of time: which marks, and how they are written. All moments are UTC."""

from datetime import UTC, datetime

from penstock.model.units import DAY_MS, MS_PER_HOUR
from penstock.reports.load import MINUTE_MS
from penstock.web.drawing.svg import Scale, label, line

MARKS_MS = (
    *(minutes * MINUTE_MS for minutes in (5, 10, 15, 30)),
    *(hours * MS_PER_HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * DAY_MS for days in (1, 2, 7, 14, 28, 91, 182, 364, 3640, 36400)),
)


def moment(at_ms: int) -> datetime:
    """A moment as a date."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def when(at_ms: int) -> str:
    """A moment as people read it: Tue 9 Sep 2025 14:00."""
    at = moment(at_ms)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M}"


def time_axis(scale: Scale, top: float, bottom: float, apart: float = 90) -> list[str]:
    """Marks below, faint lines above them; at least `apart` from each other."""
    marks_most = max(1, int((scale.end - scale.start) / apart))
    span = scale.high - scale.low
    step = next((s for s in MARKS_MS if span / s <= marks_most), MARKS_MS[-1])
    first = int(-(-scale.low // step) * step)
    found = []
    for at in range(first, int(scale.high) + 1, step):
        x = scale(at)
        found.append(line(x, top, x, bottom, "grid"))
        if scale.start + 12 < x < scale.end - 12:
            found.append(label(x, bottom + 16, _written(at, step), "mark", "middle"))
    return found


def _written(at_ms: int, step_ms: int) -> str:
    at = moment(at_ms)
    if step_ms < DAY_MS and at_ms % DAY_MS:
        return f"{at:%H:%M}"
    if step_ms >= 91 * DAY_MS:
        return f"{at:%b %Y}"
    return f"{at.day} {at:%b}"
