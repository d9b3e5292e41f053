"""What an hour of an owned slot costs, by how much it is used, beside what a rented one costs; a dot where each pool is."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

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
    titled,
)

WIDE = 640
"""Of the picture for a desk."""
LEFT, HEAD, TALL, FOOT = 44, 18, 200, 40
STEPS = 96
LEAST_USE = 0.04
"""Below it an hour costs so much that nothing else could be told apart."""


class Owned(NamedTuple):
    """One pool: what a slot costs for an hour that it is there, and which share of that was held; None: not known."""

    name: str
    slot_hour: float
    use: float | None
    number: int = 0


class Rented(NamedTuple):
    """One pool that is paid by use: an hour of a slot."""

    name: str
    slot_hour: float


class Use(NamedTuple):
    """What the picture shows."""

    owned: Sequence[Owned]
    rented: Sequence[Rented]
    currency: str
    title: str


def use_picture(use: Use) -> Both:
    """The picture, for a desk and for a phone."""
    return both(lambda width: _draw(use, width), WIDE)


def _draw(use: Use, width: float) -> Markup:
    top = _top(use)
    marks = nice(top, 4)
    across, up = Scale(0, 100, LEFT, width - 16), Scale(0, marks[-1], HEAD + TALL, HEAD)
    content = rows_axis(up, marks, width - 8, plain)
    for mark in range(0, 101, 20):
        content += [
            line(across(mark), HEAD, across(mark), HEAD + TALL, "grid"),
            label(
                across(mark),
                HEAD + TALL + 16,
                f"{mark} %",
                "mark",
                "middle" if 0 < mark < 100 else "end" if mark else "start",
            ),
        ]
    content += [item for one in use.rented for item in _rented(one, up, width)]
    content += [item for one in use.owned for item in _owned(one, across, up)]
    content += _names(use, across, up, width)
    content.append(label(0, 10, f"{use.currency} for an hour of a slot", "what"))
    content.append(label(width - 8, HEAD + TALL + 33, "share of the time that slots are held", "what", "end"))
    return picture(width, HEAD + TALL + FOOT, content, use.title)


def _top(use: Use) -> float:
    """Room for every dot and line, but not for how steep the curves are at the left."""
    dots = [one.slot_hour / max(one.use, LEAST_USE) for one in use.owned if one.use]
    lines = [one.slot_hour for one in use.rented]
    most = max([*lines, *(one.slot_hour for one in use.owned)], default=0.0)
    return max(1.25 * most, *(min(dot, 5 * most) * 1.1 for dot in dots), 1e-6)


def _rented(one: Rented, up: Scale, width: float) -> list[str]:
    y = up(one.slot_hour)
    return [line(LEFT, y, width - 8, y, "rent")]


def _owned(one: Owned, across: Scale, up: Scale) -> list[str]:
    lowest = max(one.slot_hour / up.high, 0.005)
    shares = [lowest + (1 - lowest) * (n / STEPS) ** 2 for n in range(STEPS + 1)]
    points = [(across(100 * share), up(one.slot_hour / share)) for share in shares]
    return [path(points, f"owned-curve p{one.number % 6}")]


def _names(use: Use, across: Scale, up: Scale, width: float) -> list[str]:
    """Dots, names of rented lines at the right, and where owned ones become cheaper."""
    found = []
    for one in use.rented:
        found.append(
            label(width - 10, up(one.slot_hour) - 4, f"{one.name} {one.slot_hour:.3f}", "rent-word", "end")
        )
    for own in use.owned:
        if own.use:
            x, cost = across(100 * min(1.0, own.use)), own.slot_hour / own.use
            y = max(HEAD + 6.0, up(cost))
            tip = f"{own.name}: held {100 * own.use:.0f} % of the time, {cost:.3f} {use.currency} an hour"
            dot = titled([spot(x, y, 5, f"ring p{own.number % 6}")], tip)
            found += [dot, label(x + 9, y - 5, f"{own.name} {100 * own.use:.0f} %", "name")]
    return found


def break_even(own: Owned, rented: Rented) -> float | None:
    """The share of the time from which on the owned slot is cheaper; None: never."""
    share = own.slot_hour / rented.slot_hour if rented.slot_hour else 2.0
    return share if share <= 1 else None
