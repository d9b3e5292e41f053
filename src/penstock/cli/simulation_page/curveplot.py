"""Two curves: what less waiting costs, and what owned machines save."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from penstock.cli.simulation.sentences import best_of, kept, money_text, percent_text, time_text
from penstock.cli.simulation_page.axes import wait_marks
from penstock.cli.simulation_page.curves import Point
from penstock.model.rules import Waiting
from penstock.reports.compare import Document
from penstock.web.drawing.svg import (
    Both,
    Scale,
    both,
    box,
    label,
    line,
    nice,
    path,
    picture,
    plain,
    rows_axis,
    spot,
)

LEFT, HEAD, TALL, FOOT = 44, 26, 230, 44
FAR = 3.0
"""A policy that costs or waits so many times as much as anything on the curve is named beside it, not drawn."""


class Other(NamedTuple):
    """A policy as it is, at the farm's own price of waiting."""

    key: str
    number: int
    document: Document


def price_picture(points: Sequence[Point], others: Sequence[Other], title: str) -> Both:
    """Cost against mean wait, over the price of waiting."""
    return both(lambda width: _prices(points, others, width, title))


def _place(document: Document) -> tuple[float, float]:
    return document["wait_s"]["mean"] or 0.0, document["cost"]["total"]


def near_enough(points: Sequence[Point], others: Sequence[Other]) -> list[Other]:
    """Those other policies that fit into the picture of the curve."""
    waits, costs = zip(*(_place(point.document) for point in points), strict=True)
    return [
        other
        for other in others
        if _place(other.document)[0] <= FAR * max(waits) + 1 and _place(other.document)[1] <= FAR * max(costs)
    ]


def _prices(points: Sequence[Point], others: Sequence[Other], width: float, title: str) -> Markup:
    shown = near_enough(points, others)
    places = [_place(point.document) for point in points]
    beside = [_place(other.document) for other in shown]
    all_waits, all_costs = zip(*places, *beside, strict=True)
    wait_line, cost_marks = wait_marks(max(all_waits), 6 if width > 500 else 3), nice(max(all_costs))
    across = Scale(0, wait_line[-1], LEFT, width - 20)
    up = Scale(0, cost_marks[-1], HEAD + TALL, HEAD)
    content = [*rows_axis(up, cost_marks, width - 8), *_wait_axis(across, wait_line)]
    content.append(path([(across(x), up(y)) for x, y in places], "curve"))
    for other, (x, y) in zip(shown, beside, strict=True):
        content.append(
            spot(across(x), up(y), 5, f"ring p{other.number % 6}", f"{other.key}\n{_told(other.document)}")
        )
    for point, (x, y) in zip(points, places, strict=True):
        content.append(
            spot(across(x), up(y), 5, "fill p0", f"waiting at {point.at:g} an hour\n{_told(point.document)}")
        )
    content += _price_labels(points, [(across(x), up(y)) for x, y in places])
    content.append(label(0, 12, f"cost, {points[0].document['cost']['currency']}", "what"))
    content.append(label(width - 8, HEAD + TALL + 36, "mean wait of a job", "what", "end"))
    return picture(width, HEAD + TALL + FOOT, content, title)


def _wait_axis(across: Scale, marks: Sequence[float]) -> list[str]:
    y = HEAD + TALL
    return [
        item
        for mark in marks
        for item in (
            line(across(mark), HEAD, across(mark), y, "grid"),
            label(across(mark), y + 16, time_text(mark) if mark else "0", "mark", "middle"),
        )
    ]


def _price_labels(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[str]:
    """The price beside each dot; one that would lie on another one goes further up."""
    found: list[str] = []
    taken: list[tuple[float, float]] = []
    for point, (x, y) in reversed(list(zip(points, places, strict=True))):
        at = y - 6
        while any(abs(x - other_x) < 26 and abs(at - other_y) < 13 for other_x, other_y in taken):
            at -= 13
        taken.append((x, at))
        found.append(label(x + 8, at, f"{point.at:g}", "name"))
    return found


def _told(document: Document) -> str:
    cost, wait = document["cost"], document["wait_s"]
    return (
        f"cost {money_text(cost['total'], cost['currency'])}, mean wait {time_text(wait['mean'])}, p95 {time_text(wait['p95'])}"
        f"\n{percent_text(document['within_target'])} in time"
    )


# Owned machines ------------------------------------------------------------------------------------------------------


def machine_picture(points: Sequence[Point], now: int, waiting: Waiting, title: str) -> Both:
    """Cost of owned and rented machines, and the worth of waiting, for numbers of owned machines; the best is marked."""
    return both(lambda width: _machines(points, now, waiting, width, title))


def _machines(points: Sequence[Point], now: int, waiting: Waiting, width: float, title: str) -> Markup:
    most = max(max(point.document["score"], point.document["cost"]["total"]) for point in points)
    marks = nice(most)
    up = Scale(0, marks[-1], HEAD + TALL, HEAD)
    room = (width - 8 - LEFT) / len(points)
    best = best_of([point.document for point in points], waiting)
    content = rows_axis(up, marks, width - 8)
    for number, point in enumerate(points):
        content += _column(point, up, LEFT + room * (number + 0.5), min(56.0, room * 0.66), waiting)
        content += _below(point, LEFT + room * (number + 0.5), now, number == best)
    content.append(label(0, 12, f"{points[0].document['cost']['currency']} over the history", "what"))
    content.append(label(width - 8, 12, "owned machines →", "what", "end"))
    return picture(width, HEAD + TALL + FOOT, content, title)


def _column(point: Point, up: Scale, middle: float, wide: float, waiting: Waiting) -> list[str]:
    document = point.document
    cost = document["cost"]
    heights = (cost["owned"], cost["rented"], document["score"] - cost["total"])
    found, base = [], 0.0
    for amount, klass in zip(heights, ("owned", "rented", "worth"), strict=True):
        found.append(box(middle - wide / 2, up(base + amount), wide, up(base) - up(base + amount), klass))
        base += amount
    told = f"{point.at:g} owned machines: {money_text(base)}\n{money_text(heights[0])} owned, {money_text(heights[1])} rented"
    if heights[2] > 0:
        told += f", {money_text(heights[2])} waiting"
    promise = "" if kept(document, waiting) else "\nthe promise is not kept"
    told += f"\n{percent_text(document['within_target'])} in time, mean wait {time_text(document['wait_s']['mean'])}{promise}"
    return [*found, box(middle - wide / 2 - 3, HEAD, wide + 6, TALL, "hit", told)]


def _below(point: Point, middle: float, now: int, best: bool) -> list[str]:
    y = HEAD + TALL
    words = [label(middle, y + 16, plain(point.at), "name" if best else "mark", "middle")]
    if best:
        words.append(label(middle, y + 32, "▲ best", "best", "middle"))
    elif point.at == now:
        words.append(label(middle, y + 32, "now", "mark", "middle"))
    return words
