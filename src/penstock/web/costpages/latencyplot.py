"""Price against latency: a line for each pool from what half of its runs took to what 95 of 100 did."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from penstock.web.drawing.svg import (
    Both,
    Scale,
    both,
    box,
    label,
    line,
    nice,
    picture,
    plain,
    rows_axis,
    spot,
    titled,
)

WIDE = 640
"""Of the picture for a desk."""
LEFT, HEAD, TALL, FOOT = 44, 18, 190, 40
S_PER_MINUTE = 60


class Pool(NamedTuple):
    """One pool: what an attempt costs with everything, and how long half of them, and 95 of 100, took from readiness to end."""

    name: str
    each: float
    half_s: float
    most_s: float
    number: int = 0


class Latency(NamedTuple):
    """What the picture shows."""

    pools: Sequence[Pool]
    currency: str
    title: str


def latency_picture(shown: Latency) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(shown, width), WIDE)


def _draw(shown: Latency, width: float) -> Markup:
    minutes = nice(max(pool.most_s for pool in shown.pools) / S_PER_MINUTE, 6 if width > 500 else 4)
    amounts = nice(max(pool.each for pool in shown.pools), 4)
    across = Scale(0, minutes[-1] * S_PER_MINUTE, LEFT, width - 16)
    up = Scale(0, amounts[-1], HEAD + TALL, HEAD)
    content = rows_axis(up, amounts, width - 8, plain)
    for mark in minutes:
        x = across(mark * S_PER_MINUTE)
        content.append(line(x, HEAD, x, HEAD + TALL, "grid"))
        content.append(label(x, HEAD + TALL + 16, plain(mark), "mark", "middle"))
    for pool in shown.pools:
        content += _pool(shown, pool, across, up)
    content.append(label(0, 10, f"{shown.currency} an attempt, fully loaded", "what"))
    content.append(
        label(
            width - 8,
            HEAD + TALL + 33,
            "minutes from ready to ended: ● half of them, ┤ 95 of 100",
            "what",
            "end",
        )
    )
    return picture(width, HEAD + TALL + FOOT, content, shown.title)


def _pool(shown: Latency, pool: Pool, across: Scale, up: Scale) -> list[str]:
    y, half, most = up(pool.each), across(pool.half_s), across(pool.most_s)
    klass = f"reach p{pool.number % 6}"
    told = (
        f"{pool.name}: {pool.each:.2f} {shown.currency} an attempt\nhalf of them within {pool.half_s / S_PER_MINUTE:.0f} min,"
        f" 95 of 100 within {pool.most_s / S_PER_MINUTE:.0f} min"
    )
    drawn = [
        box(half, y - 8, most - half, 16, "hit"),
        line(half, y, most, y, klass),
        line(most, y - 5, most, y + 5, klass),
        spot(half, y, 5, f"ring p{pool.number % 6}"),
    ]
    beside = most + 9 + 7 * len(pool.name) < across.end
    name = (
        label(most + 8, y + 4, pool.name, "name")
        if beside
        else label(most - 2, y - 9, pool.name, "name", "end")
    )
    return [titled(drawn, told), name]
