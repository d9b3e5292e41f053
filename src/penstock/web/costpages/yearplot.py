"""What a year comes to: spent so far, the forecast with its band, the allowance, and when it would be used up."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from penstock.model.units import DAY_MS
from penstock.web.costpages.daysplot import date_of
from penstock.web.drawing.axes import time_axis
from penstock.web.drawing.svg import (
    Both,
    Scale,
    both,
    label,
    line,
    nice,
    path,
    picture,
    plain,
    rows_axis,
    spot,
)

LEFT, HEAD, TALL, FOOT = 44, 18, 200, 26


class Band(NamedTuple):
    """What a forecast says for the end of a day: the middle of it, and between which amounts it most likely lies."""

    day: int
    low: float
    middle: float
    high: float


class Year(NamedTuple):
    """What the picture shows, in units of money.

    `spent`: (day, all that was spent by its end), in order. `band`: its last day is the end of the year. `allowance`: 0 = none.
    """

    spent: Sequence[tuple[int, float]]
    band: Sequence[Band]
    allowance: float
    currency: str
    title: str


def year_picture(year: Year) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(year, width))


def _draw(year: Year, width: float) -> Markup:
    first, last = (
        year.spent[0][0],
        max(year.spent[-1][0], *(one.day for one in year.band), year.spent[0][0] + 1),
    )
    most = max(year.allowance, *(y for _, y in year.spent), *(one.high for one in year.band), 0.0)
    marks = nice(most * 1.02, 4)
    across, up = (
        Scale(first * DAY_MS, last * DAY_MS, LEFT, width - 12),
        Scale(0, marks[-1], HEAD + TALL, HEAD),
    )
    content = [*rows_axis(up, marks, width - 8, plain), *time_axis(across, HEAD, HEAD + TALL, 80)]
    content += _fan(year, across, up)
    content += _spent(year, across, up)
    if year.allowance:
        content += _allowance(year, across, up, width)
    content.append(label(0, 10, f"{year.currency}, added up", "what"))
    return picture(width, HEAD + TALL + FOOT, content, year.title)


def _spent(year: Year, across: Scale, up: Scale) -> list[str]:
    points = [(across(day * DAY_MS), up(y)) for day, y in year.spent]
    area = [(points[0][0], up(0)), *points, (points[-1][0], up(0))]
    return [
        path(area, "spent-area", close=True),
        path(points, "spent-curve"),
        spot(*points[-1], 3.5, "spent-now"),
    ]


def _fan(year: Year, across: Scale, up: Scale) -> list[str]:
    if not year.band:
        return []
    day, now = year.spent[-1]
    fan = [Band(day, now, now, now), *year.band]
    xs = [across(one.day * DAY_MS) for one in fan]
    edge = [(x, up(one.high)) for x, one in zip(xs, fan, strict=True)]
    back = [(x, up(one.low)) for x, one in zip(xs, fan, strict=True)]
    middle = [(x, up(one.middle)) for x, one in zip(xs, fan, strict=True)]
    return [path([*edge, *reversed(back)], "band", close=True), path(middle, "expected")]


def _allowance(year: Year, across: Scale, up: Scale, width: float) -> list[str]:
    y = up(year.allowance)
    found = [
        line(LEFT, y, width - 8, y, "limit"),
        label(LEFT + 6, y - 5, f"allowance {year.allowance:,.0f}", "limit-word"),
    ]
    crossing = used_up(year)
    if crossing is not None:
        at, x = date_of(round(crossing)), across(crossing * DAY_MS)
        words = f"used up {at.day} {at:%b}"
        anchor = "end" if x > width * 0.6 else "start"
        found += [
            spot(x, y, 4.5, "crossing"),
            label(x + (-8 if anchor == "end" else 8), y + 15, words, "crossing-word", anchor),
        ]
    return found


def used_up(year: Year) -> float | None:
    """The day on which the middle of the forecast reaches the allowance, None where it does not."""
    day, now = year.spent[-1]
    before = Band(day, now, now, now)
    for one in year.band:
        if before.middle < year.allowance <= one.middle:
            share = (year.allowance - before.middle) / (one.middle - before.middle)
            return before.day + share * (one.day - before.day)
        before = one
    return None
