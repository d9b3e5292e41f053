"""How long jobs waited, a line for each platform or class: half of them, 95 of 100, 99 of 100, and the longest."""

from collections.abc import Mapping, Sequence
from math import log1p
from typing import NamedTuple

from markupsafe import Markup

from penstock.cli.simulation.sentences import percent_text, time_text
from penstock.cli.simulation_page.axes import WAIT_MARKS_S, waited
from penstock.model.units import MS_PER_S
from penstock.reports.waits import waits_of
from penstock.web.drawing.svg import Both, Scale, both, box, label, line, picture, spot

LANE, LABEL, HEAD, FOOT = 16, 22, 8, 26


class Group(NamedTuple):
    """One line of the picture: ordered waits in milliseconds, by the key of the run."""

    name: str
    waits: Mapping[str, Sequence[int]]


def wait_picture(groups: Sequence[Group], keys: Sequence[str], promise_ms: int, title: str) -> Both:
    """The picture; runs lie one below the other in each group, coloured by their order in `keys`."""
    return both(lambda width: _draw(groups, keys, promise_ms, width, title))


def _draw(groups: Sequence[Group], keys: Sequence[str], promise_ms: int, width: float, title: str) -> Markup:
    longest = max((waits[-1] for group in groups for waits in group.waits.values() if waits), default=0)
    most_s = max(longest, promise_ms, MS_PER_S) / MS_PER_S
    across = Scale(0.0, log1p(most_s) * 1.02, 8, width - 8)
    tall = LABEL + LANE * len(keys) + 6
    bottom = HEAD + tall * len(groups) + 4
    content = _axis(across, most_s, bottom)
    for number, group in enumerate(groups):
        content += _group(group, keys, promise_ms, across, HEAD + number * tall)
    promise = across(log1p(promise_ms / MS_PER_S))
    content.append(line(promise, HEAD, promise, bottom, "promise"))
    return picture(width, bottom + FOOT, content, title)


def _axis(across: Scale, most_s: float, bottom: float) -> list[str]:
    found: list[str] = []
    last = -100.0
    for mark in WAIT_MARKS_S:
        x = across(log1p(mark))
        if mark > most_s or x - last < 60:
            continue
        last = x
        found.append(line(x, HEAD, x, bottom, "grid"))
        found.append(
            label(
                x,
                bottom + 16,
                waited(mark),
                "mark",
                "start" if x < 20 else "end" if x > across.end - 30 else "middle",
            )
        )
    return found


def _group(group: Group, keys: Sequence[str], promise_ms: int, across: Scale, top: float) -> list[str]:
    jobs = max((len(waits) for waits in group.waits.values()), default=0)
    found = [label(8, top + 14, f"{group.name or '(none)'}, {jobs:,} jobs", "name")]
    for number, key in enumerate(keys):
        waits = group.waits.get(key, ())
        if waits:
            found += _bar(waits, key, number, promise_ms, across, top + LABEL + number * LANE)
    return found


def _bar(
    waits: Sequence[int], key: str, number: int, promise_ms: int, across: Scale, top: float
) -> list[str]:
    seen = waits_of(waits)
    places = [
        across(log1p((ms or 0) / MS_PER_S)) for ms in (seen.p50_ms, seen.p95_ms, seen.p99_ms, seen.max_ms)
    ]
    half, most, nearly, longest = places
    in_time = sum(wait <= promise_ms for wait in waits) / len(waits)
    told = ", ".join(
        f"{name} {time_text((ms or 0) / MS_PER_S)}"
        for name, ms in (
            ("half", seen.p50_ms),
            ("95 %", seen.p95_ms),
            ("99 %", seen.p99_ms),
            ("longest", seen.max_ms),
        )
    )
    y = top + LANE / 2
    colour = f"p{number % 6}"
    return [
        line(across.start, y, longest, y, f"thin {colour}"),
        box(across.start, y - 2, nearly - across.start, 4, f"fill {colour} faint"),
        box(across.start, y - 4, most - across.start, 8, f"fill {colour}"),
        box(half - 1.5, y - 6, 3, 12, "half"),
        spot(longest, y, 3, f"fill {colour}"),
        box(across.start, top, across.end - across.start, LANE, "hit", f"{key}: {percent_text(in_time)} in time\n{told}"),
    ]  # fmt: skip
