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
    cells = [[clean(cell) for cell in row] for row in rows]
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
        table.add_column(column, overflow="fold", no_wrap=column in STATED)
    for row in cells:
        table.add_row(
            *(
                Text(_signed(column, cell), style=style_of(cell))
                for column, cell in zip(columns, row, strict=True)
            )
        )
    Console().print(table)


def print_sentences(sentences: Sequence[str]) -> None:
    """Sentences, a line each; on a terminal wrapped between words, the first one stands out."""
    lines = [clean(sentence) for sentence in sentences]
    if not sys.stdout.isatty():
        print("\n".join(lines))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    for number, line in enumerate(lines):
        console.print(Padding(Text(line, style="bold" if number == 0 else ""), (0, 0, 0, 2 if number else 0)))


STYLES = {
    "green": ("passed", "good", "up"),
    "cyan": ("reused",),
    "bold red": ("failed", "bad", "timed_out"),
    "bold magenta": ("error", "expired", "lost", "refused", "lapsed", "preempted"),
    "yellow": ("blocked", "blocked_dead", "held", "suspect", "quarantined", "maintenance", "draining"),
    "blue": ("running", "busy", "offered", "finishing", "open"),
    "dim": ("cancelled", "superseded", "gone", "retired"),
}
"""Styles of a terminal by what they are for."""
STATED = ("state", "result", "power", "agent", "health")
"""Columns whose cells are states: on a terminal each has its sign."""


def style_of(state: str) -> str:
    """How a terminal shows a state; "" for what is none."""
    return next((style for style, states in STYLES.items() if state.lower() in states), "")


def _signed(column: str, cell: str) -> str:
    from penstock.reports.signs import SIGNS

    return f"{SIGNS[cell.lower()]} {cell}" if column in STATED and cell.lower() in SIGNS else cell


def clean(cell: object) -> str:
    """Text with control characters shown as such: a reason may quote what a job printed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(cell))
