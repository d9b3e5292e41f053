"""Axes of waits: which marks, and how they are written."""

from penstock.cli.simulation.sentences import time_text

WAIT_MARKS_S = (0, 1, 10, 60, 300, 900, 3600, 14_400, 86_400, 604_800, 2_592_000)
STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800)


def wait_marks(most_s: float, count: int) -> list[float]:
    """Marks from 0 to at least `most_s` that are lengths of time with names."""
    step = next((step for step in STEPS_S if most_s / step <= count), max(STEPS_S[-1], most_s / count))
    marks = [0.0]
    while marks[-1] < most_s:
        marks.append(marks[-1] + step)
    return marks if len(marks) > 1 else [0.0, float(step)]


def waited(value_s: float) -> str:
    """A wait as a mark of an axis."""
    return "0" if value_s == 0 else time_text(value_s)
