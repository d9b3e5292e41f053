"""The worst hour under one policy: a small picture and a sentence."""

from markupsafe import Markup

from penstock.cli.simulation.sentences import time_text
from penstock.cli.simulation_page.story import Hour
from penstock.model.units import MS_PER_HOUR, MS_PER_S
from penstock.web.drawing.axes import time_axis, when
from penstock.web.drawing.svg import Scale, band, box, nice, path, picture, rows_axis, steps

LEFT, WIDTH, HEAD, TALL = 44, 420, 10, 130


def hour_picture(hour: Hour, top: float, title: str) -> Markup:
    """Minute by minute: slots in use (filled), up (line) and waiting jobs (line). `top`: the same scale for all policies."""
    seen = hour.load
    cells = seen.cells
    across = Scale(cells.begun_ms, cells.ended_ms, LEFT, WIDTH - 6)
    xs = [across(at) for at in (*cells.moments(), cells.ended_ms)]
    marks = nice(top, 3)
    up = Scale(0, marks[-1], HEAD + TALL, HEAD)
    owned = [up(n) for n in seen.owned]
    whole = [up(a + b) for a, b in zip(seen.owned, seen.rented, strict=True)]
    begun, ended = xs[30], xs[90]
    content = [
        box(begun, HEAD, ended - begun, TALL, "hour"),
        *rows_axis(up, marks, WIDTH - 6),
        *time_axis(across, HEAD, HEAD + TALL, 70),
        band(xs, owned, [up(0)] * len(owned), "owned"),
        band(xs, whole, owned, "rented"),
        path(steps(xs, [up(n) for n in seen.up]), "up"),
        path(steps(xs, [up(n) for n in seen.waiting]), "queue"),
    ]
    content += [
        box(
            xs[n], HEAD, xs[n + 1] - xs[n], TALL, "hit",
            f"{when(at)} UTC\n{seen.waiting[n]} waiting, {seen.owned[n] + seen.rented[n]:.0f} slots in use, {seen.up[n]:.0f} up",
        )
        for n, at in enumerate(cells.moments())
    ]  # fmt: skip
    return picture(WIDTH, HEAD + TALL + 22, content, title)


def height_of(hour: Hour) -> float:
    """What the picture of an hour must have room for."""
    return max([1.0, *hour.load.up, *hour.load.waiting])


def hour_sentence(key: str, hour: Hour, begun_ms: int) -> str:
    """What the policy did in that hour."""
    waited = time_text(hour.mean_ms / MS_PER_S)
    orders = (
        "ordered no machine"
        if not hour.ordered
        else f"ordered {hour.ordered:,} machine{'s' * (hour.ordered > 1)}"
    )
    return (
        f"{key} {orders} and had at most {hour.up_most:,.0f} slots up; up to {hour.queue:,} jobs waited at once."
        f" Of the {hour.jobs:,} jobs that came between {when(begun_ms)[-5:]} and {when(begun_ms + MS_PER_HOUR)[-5:]} each waited"
        f" {waited} on average, the last one {time_text(hour.max_ms / MS_PER_S)}."
    )
