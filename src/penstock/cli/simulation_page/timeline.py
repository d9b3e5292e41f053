"""Queue and capacity over time: what was used of owned and rented machines, what was up, and how many waited."""

from collections.abc import Sequence

from markupsafe import Markup

from penstock.cli.simulation_page.story import Load
from penstock.web.drawing.axes import time_axis, when
from penstock.web.drawing.svg import (
    Both,
    Scale,
    band,
    both,
    box,
    label,
    nice,
    path,
    picture,
    rows_axis,
    steps,
)

LEFT, HEAD = 44, 8
TALL, LOW, GAP = 190, 84, 34
"""Heights of the two parts, and what lies between and below them."""


def timeline(seen: Load, title: str) -> Both:
    """The picture for a desk and for a phone."""
    return both(lambda width: _draw(seen, width, title))


def _draw(seen: Load, width: float, title: str) -> Markup:
    cells = seen.cells
    across = Scale(cells.begun_ms, cells.ended_ms, LEFT, width - 8)
    xs = [across(at) for at in (*cells.moments(), cells.ended_ms)]
    middle = HEAD + TALL
    bottom = middle + GAP + LOW
    content = [
        *time_axis(across, HEAD, bottom),
        *_capacity(seen, xs, width, middle),
        *_queue(seen, xs, width, middle + GAP, bottom),
        *_tips(seen, xs, HEAD, bottom),
    ]
    return picture(width, bottom + 24, content, title)


def _capacity(seen: Load, xs: Sequence[float], width: float, bottom: float) -> list[str]:
    both_used = [a + b for a, b in zip(seen.owned, seen.rented, strict=True)]
    marks = nice(max([*seen.up, *both_used, 1]))
    up = Scale(0, marks[-1], bottom, HEAD + 14)
    owned, whole = [up(n) for n in seen.owned], [up(n) for n in both_used]
    return [
        *rows_axis(up, marks, width - 8),
        band(xs, owned, [up(0)] * len(owned), "owned"),
        band(xs, whole, owned, "rented"),
        path(steps(xs, [up(n) for n in seen.up]), "up"),
        label(LEFT, HEAD + 4, "slots in use, and up", "what"),
    ]


def _queue(seen: Load, xs: Sequence[float], width: float, top: float, bottom: float) -> list[str]:
    marks = nice(max([*seen.waiting, 1]), 3)
    deep = Scale(0, marks[-1], bottom, top + 14)
    waiting = [deep(n) for n in seen.waiting]
    return [
        *rows_axis(deep, marks, width - 8),
        band(xs, waiting, [deep(0)] * len(waiting), "waits"),
        label(LEFT, top + 4, "jobs waiting, at most", "what"),
    ]


def _tips(seen: Load, xs: Sequence[float], top: float, bottom: float) -> list[str]:
    return [
        box(
            xs[n], top, xs[n + 1] - xs[n], bottom - top, "hit",
            f"{when(at)} UTC\n{seen.owned[n]:.1f} owned + {seen.rented[n]:.1f} rented slots in use"
            f"\n{seen.up[n]:.1f} up, {seen.coming[n]:.1f} coming\n{seen.waiting[n]} waiting at most",
        )
        for n, at in enumerate(seen.cells.moments())
    ]  # fmt: skip
