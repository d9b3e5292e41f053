"""Grants over time: from when until when each pays, how far it lasts, and which days are left to be paid in cash."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from penstock.model.units import DAY_MS
from penstock.web.costpages.daysplot import date_of
from penstock.web.drawing.axes import time_axis
from penstock.web.drawing.svg import Both, Scale, both, box, label, line, picture, titled

WIDE = 640
"""Of the picture for a desk."""
LANE, HEAD, FOOT = 58, 16, 26
LEFT = 4


class Runway(NamedTuple):
    """One grant: it pays from the day `first` to the day `last`; `used_up`: the day after which it has nothing left, None = never."""

    name: str
    first: int
    last: int
    used_up: int | None
    said: str
    ended: bool = False


class Runways(NamedTuple):
    """What the picture shows."""

    grants: Sequence[Runway]
    today: int
    title: str


def runways_picture(shown: Runways) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(shown, width), WIDE)


def _draw(shown: Runways, width: float) -> Markup:
    low = min([shown.today - 30, *(one.first for one in shown.grants)])
    high = max([shown.today + 30, *(one.last + 1 for one in shown.grants)])
    across = Scale(low * DAY_MS, high * DAY_MS, LEFT, width - 8)
    bottom = HEAD + LANE * len(shown.grants)
    content = time_axis(across, HEAD, bottom, 80)
    x = across(shown.today * DAY_MS)
    content += [line(x, HEAD - 6, x, bottom, "today"), label(x, HEAD - 7, "today", "mark", "middle")]
    for number, one in enumerate(shown.grants):
        content += _lane(one, shown.today, across, HEAD + LANE * number)
    return picture(width, bottom + FOOT, content, shown.title)


def _lane(one: Runway, today: int, across: Scale, top: float) -> list[str]:
    begin, end = across(one.first * DAY_MS), across((one.last + 1) * DAY_MS)
    empty = end if one.used_up is None else min(end, across((one.used_up + 1) * DAY_MS))
    now = min(max(begin, across(today * DAY_MS)), empty)
    y, tall = top + 26, 18
    drawn = [
        box(begin, y, now - begin, tall, "g-past"),
        box(now, y, empty - now, tall, "g-lasts"),
        box(empty, y, end - empty, tall, "g-cash"),
    ]
    room = across.end - begin
    anchor, x = ("start", begin) if room > 330 else ("end", across.end)
    return [
        titled(drawn, f"{one.name}: {one.said}"),
        label(x, top + 19, f"{one.name}  {one.said}", "lane", anchor),
    ]


def used_up_words(day: int | None, last: int) -> str:
    """When a grant has nothing left, in words."""
    at = date_of(last)
    ends = f"ends {at.day} {at:%b %Y}"
    if day is None:
        return ends
    gone = date_of(day)
    return f"used up {gone.day} {gone:%b %Y}, {ends}"
