"""Axes of time: which marks, and how they are written. All moments are UTC."""

from datetime import UTC, datetime

from penstock.cli.simulation.sentences import time_text
from penstock.cli.simulation_page.svg import Scale, label, line
from penstock.model.units import DAY_MS, MS_PER_HOUR
from penstock.reports.load import MINUTE_MS

MARKS_MS = (
    *(minutes * MINUTE_MS for minutes in (5, 10, 15, 30)),
    *(hours * MS_PER_HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * DAY_MS for days in (1, 2, 7, 14, 28, 91, 182, 364, 3640, 36400)),
)
WAIT_MARKS_S = (0, 1, 10, 60, 300, 900, 3600, 14_400, 86_400, 604_800, 2_592_000)


STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800)


def wait_marks(most_s: float, count: int) -> list[float]:
    """Marks from 0 to at least `most_s` that are lengths of time with names."""
    step = next((step for step in STEPS_S if most_s / step <= count), max(STEPS_S[-1], most_s / count))
    marks = [0.0]
    while marks[-1] < most_s:
        marks.append(marks[-1] + step)
    return marks if len(marks) > 1 else [0.0, float(step)]


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


def waited(value_s: float) -> str:
    """A wait as a mark of an axis."""
    return "0" if value_s == 0 else time_text(value_s)
