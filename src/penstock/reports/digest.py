"""A day's costs as a letter: what people read in the morning, in plain text that is mailed as it is.

Made from a document, hub/costs/digest, whose amounts are decimal strings; so the same letter comes from any hub.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from statistics import median_low
from textwrap import wrap
from typing import Any

COLUMNS = 78
"""No line is longer: what mail programs and terminals show without breaking it."""
WEEKS = 8
"""What is usual for a weekday is the median of so many of them."""
NAME = 28
MOST_PERCENT = 999
Document = Mapping[str, Any]
CAUSES = {
    "quantity": ("less was used", "more was used"),
    "price": ("prices fell", "prices rose"),
    "mix": ("cheaper pools", "dearer pools"),
    "new": ("new", "new"),
    "gone": ("gone", "gone"),
}
CENT = Decimal("0.01")


def usual_micros(daily: Mapping[int, int], day: int, first: int) -> tuple[int, int]:
    """What is usual for the weekday of `day`, and of how many weeks that is the median: at most WEEKS, none before the
    day `first`. Of an even number it is the lower one of the two in the middle, so that it is what a day cost."""
    before = [daily.get(day - 7 * n, 0) for n in range(1, WEEKS + 1) if day - 7 * n >= first]
    return (median_low(before), len(before)) if before else (0, 0)


def text(document: Document) -> str:
    """The letter: no line above COLUMNS, nothing in it but printable characters and line ends."""
    parts = [
        _spent(document),
        _movers(document),
        _waste(document),
        _credits(document["credits"]),
        _budgets(document["budgets"]),
        _forecast(document["forecast"]),
        _guards(document["guards"]),
        _bills(document["bills"]),
        _missing(document["missing"]),
    ]
    lines = ["\n".join(part) for part in map(list, parts) if part]
    return _clean("\n\n".join([*lines, *_end(document)])) + "\n"


def _spent(document: Document) -> Iterator[str]:
    day = date.fromisoformat(document["day"])
    yield from _said("", f"{document['farm']}: what {day:%A} {day} cost, in {document['currency']}")
    yield ""
    total, usual, weeks = document["spent"], document["usual"], document["weeks"]
    if weeks:
        yield from _said(
            "  ",
            f"{_money(total)} in all. Usual for a {day:%A}: {_money(usual)}, the median of {weeks} weeks.",
        )
    else:
        yield from _said("  ", f"{_money(total)} in all.")
    if document["pools"]:
        yield ""
        yield f"  {'pool':<{NAME}}{'spent':>12}{'usual':>12}"
    for line in document["pools"]:
        change = _percent(line["spent"], line["usual"]) if line["weeks"] else ""
        usual = _amount(line["usual"]) if line["weeks"] else "-"
        row = f"{_name(line['pool'] or '(no pool)')}{_amount(line['spent'])}{usual:>12}{change:>12}"
        yield "  " + row.rstrip()


def _movers(document: Document) -> Iterator[str]:
    if not document["movers"]:
        return
    yield "MOVED MOST, against the same day a week before"
    for line in document["movers"]:
        said = ", ".join(part for part in (line["pool"], line["project"]) if part) or "(no pool)"
        sign = Decimal(line["change"]) > 0
        yield f"  {_name(said)}{_money(line['change'], '+'):>12}  {CAUSES[line['cause']][sign]}"


def _waste(document: Document) -> Iterator[str]:
    found = [line for line in document["waste"] if Decimal(line["amount"])]
    if not found:
        return
    yield "WASTE"
    for line in found:
        share = "" if line["share"] is None else f"{line['share']:>9.0%}"
        yield f"  {line['kind']:<12}{_money(line['amount']):>12}{share}"
        yield from _said("      ", line["what"])


def _credits(found: Iterable[Document]) -> Iterator[str]:
    lines = list(found)
    if lines:
        yield "CREDITS"
    for one in lines:
        used = f"{_money(one['used'])} of {_money(one['amount'])} used, {_money(one['left'])} left"
        yield from _said("  ", f"{one['name']}: {used}; {one['state']}, ends {one['until']}")
        yield from _said("      ", _runway(one))


def _runway(one: Document) -> str:
    """How long it lasts."""
    if one["state"] != "paying":
        return ""
    if one["used_up_on"] is not None:
        return f"at {_money(one['a_day'])} a day it is used up on {one['used_up_on']}"
    lost = "" if one["ends_unused"] is None else f": {_money(one['ends_unused'])} of it will be lost"
    return f"at {_money(one['a_day'])} a day it lasts until it ends{lost}"


def _budgets(found: Iterable[Document]) -> Iterator[str]:
    lines = list(found)
    if lines:
        yield "BUDGETS"
    for one in lines:
        unit = " minutes" if one["unit"] == "minutes" else ""
        used = f"{_money(one['used'])} of {_money(one['amount'])}{unit} used"
        lasts = f"; used up on {one['used_up_on']} at this rate" if one["used_up_on"] else ""
        yield from _said("  ", f"{one['name']}, {one['period']}: {used}{lasts}")


def _forecast(found: Document | None) -> Iterator[str]:
    if found is None:
        return
    yield "FORECAST"
    for name in ("this_year", "next_year"):
        year, band = found[name], ""
        if year["p10"] is not None:
            band = f"; 8 times of 10 between {_money(year['p10'])} and {_money(year['p90'])}"
        yield from _said("  ", f"{name.replace('_', ' ')}: {_money(year['expected'])}{band}")
    rate = f"{_money(found['rate_per_day'])} a day"
    yield from _said(
        "  ", f"from {rate}, the last {found['window_days']} days through {found['data_through']}"
    )


def _guards(found: Iterable[Document]) -> Iterator[str]:
    lines = list(found)
    if lines:
        yield "GUARDS that are not on standby"
    for one in lines:
        yield from _said("  ", f"{one['name']} is {one['state']}: {one['reason']}")
        yield from _said("      ", one["next"])


def _bills(found: Document | None) -> Iterator[str]:
    if found is None:
        return
    yield "BILLS"
    sums = f"{_money(found['billed'])} billed, {_money(found['metered'])} metered in the same pools and days"
    rest = f"{_money(found['residual'], '+')} is not explained"
    look = {0: "", 1: "; 1 day to look at"}.get(found["alarms"], f"; {found['alarms']} days to look at")
    yield from _said("  ", f"{found['month']}: {sums}; {rest}{look}")


def _missing(found: Iterable[str]) -> Iterator[str]:
    lines = list(found)
    if lines:
        yield "NOT IN THIS LETTER"
    for one in lines:
        yield from _said("  ", one)


def _end(document: Document) -> list[str]:
    until_s = document["entered_until_s"]
    entered = "Nothing is entered yet."
    if until_s is not None:
        entered = f"Entered until {datetime.fromtimestamp(until_s, UTC):%Y-%m-%d %H:%M} UTC; days are UTC."
    return [f"{entered}\nThe rows behind each figure: `penstock costs entries`."]


def _said(indent: str, sentence: str) -> list[str]:
    """A sentence as lines; what goes on is indented more."""
    return wrap(
        sentence, COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )


def _name(name: str) -> str:
    shown = name if len(name) < NAME else name[: NAME - 4] + "..."
    return f"{shown:<{NAME}}"


def _money(amount: str, sign: str = "") -> str:
    return f"{Decimal(amount).quantize(CENT, ROUND_HALF_UP):{sign},}"


def _amount(amount: str) -> str:
    """In a column of its own, however large it is."""
    return f" {_money(amount):>11}"


def _percent(now: str, usual: str) -> str:
    if not Decimal(usual):
        return ""
    change = (Decimal(now) / Decimal(usual) - 1) * 100
    return f"{change:+.0f} %" if change <= MOST_PERCENT else f"> {MOST_PERCENT} %"


def _clean(letter: str) -> str:
    shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in letter)
    return "\n".join(line.rstrip() for line in shown.split("\n"))
