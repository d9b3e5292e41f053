"""Drawing: elements as text, scales, axes. Whatever comes in is escaped; colours are classes of the page's sheet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from markupsafe import Markup

WIDE, NARROW = 960, 380
"""Widths of the two drawings of each picture: for a desk and for a phone."""


def element(name: str, content: Iterable[str] | str = "", **attributes: object) -> str:
    """One element. `content`: elements, or "". Underscores of attribute names become hyphens; `klass` is class."""
    written = "".join(
        f' {"class" if key == "klass" else key.replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = content if isinstance(content, str) else "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def label(x: float, y: float, words: str, klass: str = "", anchor: str = "start") -> str:
    """Words at a place, their baseline at y."""
    return element(
        "text",
        escape(words),
        x=x,
        y=y,
        klass=klass or None,
        text_anchor=anchor if anchor != "start" else None,
    )


def line(x1: float, y1: float, x2: float, y2: float, klass: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, klass=klass)


def box(x: float, y: float, width: float, height: float, klass: str, tip: str = "") -> str:
    """A rectangle; `tip`: lines to show where the pointer is on it."""
    return element(
        "rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), klass=klass, data_tip=tip or None
    )


def spot(x: float, y: float, radius: float, klass: str, tip: str = "") -> str:
    """A dot."""
    return element("circle", cx=x, cy=y, r=radius, klass=klass, data_tip=tip or None)


def path(points: Iterable[tuple[float, float]], klass: str, close: bool = False) -> str:
    """A line through points."""
    drawn = "L".join(f"{_value(round(x, 1))} {_value(round(y, 1))}" for x, y in points)
    return element("path", d=f"M{drawn}{'Z' if close else ''}", klass=klass) if drawn else ""


def titled(content: Iterable[str], tip: str, klass: str = "") -> str:
    """Elements with words that browsers show where the pointer is on them; no script is needed for it."""
    return element("g", [element("title", escape(tip)), *content], klass=klass or None)


def linked(href: str, content: Iterable[str], tip: str, klass: str = "") -> str:
    """As `titled`, and a link. Whoever goes by keyboard finds it elsewhere: a picture has many."""
    inner = [element("title", escape(tip)), *content]
    return element("a", inner, href=href, klass=klass or None, tabindex=-1)


def steps(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """The corners of a staircase: `ys[n]` from `xs[n]` to `xs[n + 1]`."""
    return [corner for n, y in enumerate(ys) for corner in ((xs[n], y), (xs[n + 1], y))]


def band(xs: Sequence[float], tops: Sequence[float], bottoms: Sequence[float], klass: str) -> str:
    """The area between two staircases."""
    return path([*steps(xs, tops), *reversed(steps(xs, bottoms))], klass, close=True)


def picture(width: float, height: float, content: Iterable[str], title: str) -> Markup:
    """A whole drawing, with words for those who do not see it."""
    inner = [element("title", escape(title)), *content]
    # Markup: every part of it was escaped where it was made.
    return Markup(
        element(
            "svg",
            inner,
            viewBox=f"0 0 {_value(float(width))} {_value(float(height))}",
            role="img",
            aria_label=title,
        )
    )


class Both(NamedTuple):
    """One picture as a desk shows it and as a phone does."""

    wide: Markup
    narrow: Markup


def both(draw: Callable[[float], Markup], wide: float = WIDE) -> Both:
    """Draw at both widths; `wide`: what a desk has room for, so that words are as large as those around."""
    return Both(draw(wide), draw(NARROW))


@dataclass(frozen=True)
class Scale:
    """From values (`low` to `high`) to places (`start` to `end`)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + share * (self.end - self.start)


def nice(most: float, count: int = 5) -> list[float]:
    """Round marks from 0 to at least `most`, about `count` of them above 0."""
    if most <= 0:
        return [0.0, 1.0]
    raw = most / count
    power = 1.0
    while power * 10 <= raw:
        power *= 10
    while power > raw:
        power /= 10
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= raw - 1e-12)
    marks = [0.0]
    while marks[-1] < most - 1e-9:
        marks.append(round(marks[-1] + step, 9))
    return marks


def plain(value: float) -> str:
    """A mark of an axis."""
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def rows_axis(
    scale: Scale, marks: Sequence[float], right: float, words: Callable[[float], str] = plain
) -> list[str]:
    """Marks of a vertical axis with lines across, the words left of it."""
    left = 0.0
    found = []
    for mark in marks:
        y = scale(mark)
        found.append(line(left + 44, y, right, y, "grid" if mark else "base"))
        found.append(label(left + 38, y + 4, words(mark), "mark", "end"))
    return found
