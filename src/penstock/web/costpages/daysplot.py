"""What each day cost, stacked by account: a bar for each day, a link to its page, weekends apart."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

from penstock.model.units import DAY_MS, MICROS_PER_UNIT
from penstock.web.drawing.svg import (
    Both,
    Scale,
    both,
    box,
    label,
    line,
    linked,
    nice,
    path,
    picture,
    rows_axis,
)

WIDE = 1280
"""Of the picture for a desk."""
LEFT, HEAD, TALL, FOOT = 44, 18, 210, 26
WEEK = 7
MONDAY, SATURDAY = 0, 5


class Bar(NamedTuple):
    """One day: its number, what each account came to, in the order of the stack from below; `whole`: it has ended."""

    day: int
    amounts_micros: Sequence[int]
    whole: bool = True


class Stack(NamedTuple):
    """What the picture shows: days in order, what the accounts are called, in which currency, what it is called,
    and what is asked for of the page of a day ("?pool=NAME")."""

    bars: Sequence[Bar]
    accounts: Sequence[str]
    currency: str
    title: str
    query: str = ""


def date_of(day: int) -> datetime:
    """A day since 1970-01-01."""
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC)


def days_picture(stack: Stack) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(stack, width), WIDE)


def _draw(stack: Stack, width: float) -> Markup:
    most = (
        max((sum(max(0, a) for a in bar.amounts_micros) for bar in stack.bars), default=0) / MICROS_PER_UNIT
    )
    marks = nice(most, 4)
    up = Scale(0, marks[-1], HEAD + TALL, HEAD)
    room = (width - 8 - LEFT) / max(1, len(stack.bars))
    lefts = [LEFT + room * n for n in range(len(stack.bars))]
    content = _weekends(stack.bars, lefts, room)
    content += rows_axis(up, marks, width - 8)
    for bar, left in zip(stack.bars, lefts, strict=True):
        content.append(_bar(stack, bar, up, left, room))
    content += _mean(stack.bars, up, [left + room / 2 for left in lefts])
    content += _dates(stack.bars, lefts, width)
    content.append(label(0, 10, f"{stack.currency} a day", "what"))
    return picture(width, HEAD + TALL + FOOT, content, stack.title)


def _weekends(bars: Sequence[Bar], lefts: Sequence[float], room: float) -> list[str]:
    return [
        box(left, HEAD, room, TALL, "weekend")
        for bar, left in zip(bars, lefts, strict=True)
        if date_of(bar.day).weekday() >= SATURDAY
    ]


def _bar(stack: Stack, bar: Bar, up: Scale, left: float, room: float) -> str:
    wide = max(1.0, room - min(3.0, room * 0.22))
    drawn, base = [], 0.0
    for name, amount in zip(stack.accounts, bar.amounts_micros, strict=True):
        height = max(0, amount) / MICROS_PER_UNIT
        if height:
            top = up(base + height)
            drawn.append(box(left + (room - wide) / 2, top, wide, up(base) - top, f"a-{name}"))
        base += height
    drawn.append(box(left, HEAD, room, TALL, "hit"))
    klass = "day" if bar.whole else "day begun"
    return linked(f"/costs/day/{date_of(bar.day):%Y-%m-%d}{stack.query}", drawn, _told(stack, bar), klass)


def _told(stack: Stack, bar: Bar) -> str:
    at = date_of(bar.day)
    total = sum(bar.amounts_micros) / MICROS_PER_UNIT
    lines = [
        f"{at:%A} {at.day} {at:%B %Y}{'' if bar.whole else ', not over yet'}: {total:,.2f} {stack.currency}"
    ]
    lines += [
        f"{name} {amount / MICROS_PER_UNIT:,.2f}"
        for name, amount in zip(stack.accounts, bar.amounts_micros, strict=True)
        if amount
    ]
    return "\n".join(lines)


def _mean(bars: Sequence[Bar], up: Scale, middles: Sequence[float]) -> list[str]:
    """A line through the means of seven whole days, at the last of them."""
    sums = [sum(bar.amounts_micros) / MICROS_PER_UNIT for bar in bars if bar.whole]
    points = [(middles[n], up(sum(sums[n - WEEK + 1 : n + 1]) / WEEK)) for n in range(WEEK - 1, len(sums))]
    return [path(points, "mean")] if len(points) > 1 else []


def _dates(bars: Sequence[Bar], lefts: Sequence[float], width: float) -> list[str]:
    """The date below Mondays, as many as there is room for."""
    mondays = [
        (bar, left) for bar, left in zip(bars, lefts, strict=True) if date_of(bar.day).weekday() == MONDAY
    ]
    if not mondays:
        mondays = list(zip(bars, lefts, strict=True))[:1]
    every = 1 if width / len(mondays or [0]) > 62 else 2
    found = [line(left, HEAD + TALL, left, HEAD + TALL + 5, "base") for _, left in mondays]
    for bar, left in mondays[::-1][::every]:
        at = date_of(bar.day)
        if left < width - 36:
            found.append(label(left + 2, HEAD + TALL + 17, f"{at:%a} {at.day} {at:%b}", "mark"))
    return found
