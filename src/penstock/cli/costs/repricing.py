"""The use of one farm at the prices of another one's farm.toml, as a document and a table."""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.costs.printing import entered
from penstock.cli.costs.tables import show
from penstock.cli.output import refuse, say
from penstock.cli.queries import opened
from penstock.config.farm import read_farm
from penstock.hub.costs.use import uses_of
from penstock.model.rules import Rules
from penstock.model.units import MS_PER_HOUR, decimal_text
from penstock.reports.reprice import GB, Line, Shared, Unmapped, Use, charges_there, reprice, storage_there
from penstock.reports.tco import rounded

Document = dict[str, Any]
COLUMNS = ("pool", "to", "running_h", "suspended_h", "egress_gb", "then", "there", "difference")
NOT_COMPARED = (
    "boot times, billing minimums and who would have waited are not worked out again: `penstock simulate` does that",
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The other farm.toml, and which pool goes where, as it was written."""

    prices: Path
    maps: tuple[str, ...]
    egress: tuple[str, ...]


def show_repriced(
    asked: Asked,
    query: Mapping[str, str],
    where: tuple[Path | None, Path | None, str | None],
    forms: tuple[bool, bool],
) -> None:
    """Ask the farm what was used, and print what it would have cost. `forms`: as JSON, as CSV."""
    there = read_farm(asked.prices)
    mapping, sent = _pairs("--map", asked.maps), _pairs("--egress", asked.egress)
    with opened(*where) as found:
        used = found.ask("use", query)
    if used["currency"] != there.currency:
        refuse(
            f"{asked.prices} is in {there.currency}, the farm in {used['currency']}: write its prices in that"
        )
    document = repriced(used, there, mapping, sent)
    if show(document, COLUMNS, _rows(document), *forms):
        _say(document, used)


def repriced(used: Document, there: Rules, mapping: Mapping[str, str], sent: Mapping[str, str]) -> Document:
    """The document, from what was used here. Refuses pools that are not there."""
    uses, shared = uses_of(used)
    for pool in set(sent) - {use.pool for use in uses}:
        refuse(f"--egress: pool {pool} was not used on these days")
    try:
        lines = reprice([_with_egress(use, sent) for use in uses], there, mapping)
    except Unmapped as wrong:
        refuse(f"--map: {wrong.what}")
    others = _others(used, shared, there)
    known = [(line.then_micros, line.there) for line in lines if line.there is not None]
    known += [(one["then"], one["there"]) for one in others.values()]
    return {
        "schema": 1,
        **{key: used[key] for key in ("since", "until", "days", "currency", "entered_until_s")},
        "pools": [_line(line) for line in lines],
        **{name: _sums(one["then"], one["there"]) for name, one in others.items()},
        "total": _sums(sum(then for then, _ in known), sum((cost for _, cost in known), Fraction())),
        "left_out": [line.use.pool for line in lines if line.to is None],
        "rounding": decimal_text(sum(use.rounding_micros for use in uses)),
        "not_compared": list(NOT_COMPARED),
    }


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        one, sign, other = word.partition("=")
        if not (one and sign and other):
            refuse(f"{option} {word}: write it as POOL={'GB' if option == '--egress' else 'POOL'}")
        found[one] = other
    return found


def _with_egress(use: Use, sent: Mapping[str, str]) -> Use:
    if use.pool not in sent:
        return use
    text = sent[use.pool]
    try:
        size = Decimal(text)
    except InvalidOperation:
        size = Decimal(-1)
    if not (size.is_finite() and 0 <= size < GB):
        refuse(f"--egress {use.pool}={text}: write a number of GB")
    return msgspec.structs.replace(use, egress_bytes=int(size * GB))


def _others(used: Document, shared: Shared, there: Rules) -> dict[str, dict[str, Any]]:
    days = [date.fromisoformat(used["since"]) + timedelta(days=n) for n in range(used["days"])]
    by_month = Counter(monthrange(day.year, day.month)[1] for day in days)
    return {
        "charges": {"then": shared.charges_micros, "there": charges_there(there.charges, by_month)},
        "storage": {"then": shared.storage_micros, "there": storage_there(shared, there)},
    }


def _sums(then: int, there: Fraction) -> Document:
    cost = rounded(there)
    return {
        "then": decimal_text(then),
        "there": decimal_text(cost),
        "difference": decimal_text(cost - then),
    }


def _line(line: Line) -> Document:
    use, empty = line.use, {"then": decimal_text(line.then_micros), "there": None, "difference": None}
    return {
        "pool": use.pool,
        "to": line.to,
        "running_h": round(use.running_ms / MS_PER_HOUR, 3),
        "suspended_h": round(use.stopped_ms / MS_PER_HOUR, 3),
        "egress_gb": round(use.egress_bytes / GB, 3),
        **(empty if line.there is None else _sums(line.then_micros, line.there)),
        "parts": {
            name: decimal_text(rounded(getattr(line, name))) for name in ("running", "stopped", "egress")
        },
        "notes": list(line.notes),
    }


def _rows(document: Document) -> Iterator[list[object]]:
    for line in document["pools"]:
        yield [line[name] for name in COLUMNS]
    for name in ("charges", "storage", "total"):
        sums = document[name]
        yield [f"({name})", *[""] * 4, sums["then"], sums["there"], sums["difference"]]


def _say(document: Document, used: Document) -> None:
    which = f"{document['since']} to {document['until']}, " if document["days"] else ""
    say(f"{which}{document['days']} whole days, {document['currency']}; {entered(used)}")
    for line in document["pools"]:
        for note in line["notes"]:
            say(f"{line['pool']}: {note}")
    if document["left_out"]:
        say(f"the total leaves out {', '.join(document['left_out'])}, then and there")
    say(f"{document['rounding']} of what it came to then is what providers rounded up")
    for text in document["not_compared"]:
        say(text)
