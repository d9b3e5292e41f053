"""What commands print: rich tables on a terminal, plain lines otherwise, one JSON document with --json."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from penstock.reports.builds import EXIT_BAD_INPUT


class Leave(Exception):
    """Ends a command with an exit status, after everything has been put away."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def print_json(document: Any) -> None:
    """One document on standard output; absent is null, never NaN."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def say(line: str) -> None:
    """A line for people on standard error, so that standard output stays a document."""
    print(line, file=sys.stderr, flush=True)


def refuse(what: str) -> NoReturn:
    """Bad input: one line, exit 2."""
    say(f"penstock: {what}")
    raise Leave(EXIT_BAD_INPUT)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under columns. Text from outside is shown, never interpreted as markup or terminal control."""
    cells = [[_clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    print("\t".join(columns))
    for row in cells:
        print("\t".join(row))


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    # Here, not at the top: a command that prints no table starts 30 ms sooner.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console().print(table)


STYLES = {
    "passed": "green",
    "PASSED": "green",
    "reused": "cyan",
    "REUSED": "cyan",
    "failed": "bold red",
    "FAILED": "bold red",
    "error": "bold magenta",
    "ERROR": "bold magenta",
    "blocked": "yellow",
    "BLOCKED_DEAD": "yellow",
    "running": "blue",
}


def _clean(cell: object) -> str:
    """Text with control characters shown as such: a reason may quote what a job printed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(cell))
