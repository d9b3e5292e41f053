"""Reports as tables: for people on a terminal, as one document with --json, as CSV for spreadsheets."""

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any

import typer

from penstock.cli.output import clean, print_json, print_table, refuse

AsCsv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first day, UTC.  [default: of this month]")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="The last day, included.  [default: today]")
]
FORMULAS = ("=", "+", "-", "@")
"""What a spreadsheet takes for a formula when a cell begins with it."""


def query_of(since: str | None, until: str | None, **others: object) -> dict[str, str]:
    """Which days are asked for, and what else was given, as the parameters of a question. Refuses what are no days."""
    first, last = day("--from", since), day("--until", until)
    if first and last and last < first:
        refuse(f"--until {last} is before --from {first}")
    said = {"since": first, "until": last, **others}
    return {name: str(value) for name, value in said.items() if value is not None}


def forms(as_json: bool, as_csv: bool) -> None:
    """Refuses both at once."""
    if as_json and as_csv:
        refuse("--json and --csv: write one of them")


def show(
    document: dict[str, Any],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    as_json: bool,
    as_csv: bool,
) -> bool:
    """Print it as it was asked for. True where it was for people, who may want a sentence more."""
    if as_json:
        print_json(document)
    elif as_csv:
        print_csv(columns, rows)
    else:
        print_table(columns, [["-" if cell in (None, "") else cell for cell in row] for row in rows])
    return not (as_json or as_csv)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under columns, as RFC 4180 has them but for line ends. Text from outside is never a formula."""
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    write(columns)
    for row in rows:
        write([_cell(cell) for cell in row])


def _cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text.startswith(FORMULAS) and not _number(text) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def day(option: str, text: str | None) -> date | None:
    """A day as it was written, None where none was. Refuses what is no day."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        refuse(f"{option} {text}: write a day as 2026-10-31")
