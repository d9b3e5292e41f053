"""`penstock costs export`: what it takes."""

import csv
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import Since, Until
from penstock.cli.options import FarmFile, HubUrl, StateFolder

AsFocus = Annotated[bool, typer.Option("--focus", help="As FOCUS 1.2, comma-separated values.")]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it here.  [default: print it]")
]
Month = Annotated[str | None, typer.Option("--month", metavar="MONTH", help="A whole month, as 2026-10.")]
Document = dict[str, Any]


def export(
    focus: AsFocus = False,
    out: Out = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
) -> None:
    """Write what was entered as rows that other cost tools read."""
    from penstock.cli.costs.tables import query_of
    from penstock.cli.output import refuse
    from penstock.cli.queries import opened

    if not focus:
        refuse("costs export: in which form? write --focus, there is no other yet")
    if month is not None:
        if since is not None or until is not None:
            refuse("--month and --from or --until: write one of them")
        since, until = _days(month)
    with opened(farm, state, hub) as found:
        _write(out, _parts(found, query_of(since, until)))


def _days(month: str) -> tuple[str, str]:
    """Its first and its last day."""
    from penstock.cli.output import refuse

    try:
        if not re.fullmatch(r"\d{4}-\d{2}", month):
            raise ValueError
        first = date.fromisoformat(f"{month}-01")
        after = (first + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):
        refuse(f"--month {month}: write a month as 2026-10")
    return first.isoformat(), (after - timedelta(days=1)).isoformat()


def _parts(farm: Any, query: dict[str, str]) -> Iterator[Document]:
    """Answers one after another until all days are told."""
    following: str | None = ""
    while following is not None:
        document = farm.ask("export", query)
        yield document
        following = document["next"]
        # The first answer says which days are meant where nothing was asked for: a midnight may pass meanwhile.
        query = {"since": str(following), "until": document["until"]}


def _write(out: Path | None, parts: Iterator[Document]) -> None:
    from decimal import Decimal

    from penstock.cli.output import say
    from penstock.reports.focus import totals

    sums, count, since = dict.fromkeys(("used", "billed", "credits"), Decimal()), 0, ""
    with _text(out) as text:
        write = csv.writer(text, lineterminator="\n").writerow
        for document in parts:
            if not since:
                write(document["columns"])
            since = since or document["since"]
            for row in document["rows"]:
                write([row.get(column, "") for column in document["columns"]])
            sums = {name: sums[name] + more for name, more in totals(document["rows"]).items()}
            count += len(document["rows"])
    said = ", ".join(f"{amount} {name}" for name, amount in sums.items())
    currency, entered = document["currency"], _entered(document["entered_until_s"])
    say(f"{count} rows, {since} to {document['until']}, {currency}: {said}; {entered}")


def _entered(until_s: float | None) -> str:
    from penstock.cli.costs.printing import moment

    return "nothing is entered yet" if until_s is None else f"entered until {moment(until_s)} UTC"


class _Text:
    """What csv writes to, over a function that takes bytes."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink

    def write(self, text: str) -> None:
        self._sink(text.encode())


@contextmanager
def _text(out: Path | None) -> Iterator[Any]:
    """Standard output, or a file that is there whole or as it was before."""
    if out is None or str(out) == "-":
        yield sys.stdout
        return
    from penstock.cli.simulation.runs import check_out, written

    check_out(out)
    with written(out) as sink:
        yield _Text(sink)
