"""How pages write things: states with a sign, times beside now, durations, money, bars. Nothing is marked by colour alone."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from penstock.reports.signs import sign

TEMPLATES = Path(__file__).parent / "templates"
LEAST_PERCENT = 1.5
"""The least width of a part of a bar, so that one failure among thousands is seen."""
Document = dict[str, Any]


def moment(seconds: float) -> str:
    """A time of the wall clock, in full."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float | None) -> str:
    """A length of time in at most two units: 4.2 s, 3 min 05 s, 14 min, 2 h 15 min, 3 d 4 h."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def age(seconds: float) -> str:
    """A length of time in one unit: 40 s, 3 min, 2 h, 5 d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{math.floor(seconds / size)} {unit}"
    return f"{max(0, math.floor(seconds))} s"


def ago(at_s: float | None, now_s: float) -> Markup:
    """A time beside now, with the exact one behind it."""
    if at_s is None:
        return Markup("")
    past = now_s - at_s
    said = f"{age(past)} ago" if past >= 1 else "now"
    exact = moment(at_s)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.removesuffix(" UTC").replace(" ", "T") + "Z", exact, said
    )


def since(at_s: float, now_s: float) -> Markup:
    """How long something lasts by now, with its beginning behind it."""
    exact = moment(at_s)
    stamp = exact.removesuffix(" UTC").replace(" ", "T") + "Z"
    return Markup('<time datetime="{}" title="since {}">{}</time>').format(
        stamp, exact, duration(now_s - at_s)
    )


def money(amount: str, currency: str) -> str:
    """A decimal string as people read it: two places, four where that would read as nothing."""
    places = 2 if abs(float(amount)) >= 0.01 else 4
    return f"{float(amount):.{places}f} {currency}" if float(amount) else f"0 {currency}"


def amount(text: str) -> str:
    """A decimal string as a figure of a table: 12,345.60; what is little and not nothing with four places."""
    value = float(text)
    return f"{value:,.4f}" if 0 < abs(value) < 0.01 else f"{value:,.2f}"


def whole(text: str) -> str:
    """An amount without cents."""
    return f"{float(text):,.0f}"


def signed(text: str) -> str:
    """An amount that says which way it went."""
    return f"{'+' if float(text) > 0 else ''}{amount(text)}".replace("-", "\u2212")


def percent(share: float | None) -> str:
    """A share of 1 as people read it."""
    if share is None:
        return ""
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def word(state: str) -> str:
    """A state as people read it."""
    return state.lower().replace("_dead", "").replace("_", " ")


def short(source: str) -> str:
    """The name of a source: the last part of its address."""
    return source.rstrip("/").rpartition("/")[2].removesuffix(".git") or source


def segments(parts: Sequence[Document]) -> list[tuple[str, float, float]]:
    """Parts of a bar as (kind, begin, width) in percent of it."""
    whole = sum(part["jobs"] for part in parts)
    widths = [max(LEAST_PERCENT, 100 * part["jobs"] / whole) for part in parts]
    scale = 100 / sum(widths) if widths else 1.0
    found, at = [], 0.0
    for part, width in zip(parts, widths, strict=True):
        found.append((part["kind"], round(at, 2), round(width * scale, 2)))
        at += width * scale
    return found


def make_environment() -> jinja2.Environment:
    """Templates with everything escaped; an unknown name is an error, not an empty string."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        moment,
        duration,
        age,
        ago,
        since,
        money,
        amount,
        whole,
        signed,
        percent,
        sign,
        word,
        short,
        segments,
    )
    environment.filters.update({each.__name__: each for each in filters})
    return environment
