"""Months: what was spent, and what those to come will cost, each with its band."""

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
    titled,
)

WIDE = 640
"""Of the picture for a desk."""
LEFT, HEAD, TALL, FOOT = 44, 18, 190, 36
NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Month(NamedTuple):
    """One month ("2026-11"): spent in it so far, and what is to come, which most likely lies between `low` and `high`."""

    month: str
    spent: float = 0.0
    coming: float = 0.0
    low: float | None = None
    high: float | None = None


class Months(NamedTuple):
    """What the picture shows, in units of money."""

    months: Sequence[Month]
    currency: str
    title: str


def months_picture(shown: Months) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(shown, width), WIDE)


def _draw(shown: Months, width: float) -> Markup:
    most = max((one.spent + max(one.coming, one.high or 0.0) for one in shown.months), default=0.0)
    marks = nice(most, 4)
    up = Scale(0, marks[-1], HEAD + TALL, HEAD)
    room = (width - 8 - LEFT) / max(1, len(shown.months))
    content = rows_axis(up, marks, width - 8, plain)
    for number, one in enumerate(shown.months):
        content.append(_column(shown, one, up, LEFT + room * (number + 0.5), room))
        content += _below(shown.months, number, LEFT + room * number, room)
    content.append(label(0, 10, f"{shown.currency} a month", "what"))
    return picture(width, HEAD + TALL + FOOT, content, shown.title)


def _column(shown: Months, one: Month, up: Scale, middle: float, room: float) -> str:
    wide = min(46.0, room * 0.66)
    whole = one.spent + one.coming
    drawn = [
        box(middle - wide / 2, up(one.spent), wide, up(0) - up(one.spent), "spent-month"),
        box(middle - wide / 2, up(whole), wide, up(one.spent) - up(whole), "coming-month"),
    ]
    if one.low is not None and one.high is not None:
        low, high = up(one.spent + one.low), up(one.spent + one.high)
        drawn += [
            line(middle, low, middle, high, "whisker"),
            *(line(middle - 4, y, middle + 4, y, "whisker") for y in (low, high)),
        ]
    drawn.append(box(middle - room / 2, HEAD, room, TALL, "hit"))
    return titled(drawn, _told(shown, one), "month")


def _told(shown: Months, one: Month) -> str:
    if not one.coming:
        return f"{one.month}: {one.spent:,.2f} {shown.currency}"
    told = f"{one.month}: {one.spent + one.coming:,.0f} {shown.currency} expected"
    if one.low is not None and one.high is not None:
        told += f"\n8 of 10 times between {one.spent + one.low:,.0f} and {one.spent + one.high:,.0f}"
    return told + (f"\n{one.spent:,.2f} spent so far" if one.spent else "")


def _below(months: Sequence[Month], number: int, left: float, room: float) -> list[str]:
    year, month = months[number].month.split("-")
    y = HEAD + TALL + 15
    name = NAMES[int(month) - 1]
    found = [label(left + room / 2, y, name if room > 26 else name[0], "mark", "middle")]
    if number == 0 or month == "01":
        found.append(label(left + 2, y + 15, year, "name"))
    if number and month == "01":
        found.append(line(left, HEAD, left, HEAD + TALL + 18, "base"))
    return found
