"""What a simulation shows while it goes on: on a terminal, on standard error; elsewhere nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Steps(Protocol):
    """What is going on, step by step."""

    def begin(self, what: str) -> None:
        """The next step begins."""


class Silent:
    """Shows nothing."""

    def begin(self, what: str) -> None:
        """Nothing to show."""


class Shown:
    """A line that changes."""

    def __init__(self, progress: object, row: object) -> None:
        self._progress, self._row, self._begun = progress, row, 0

    def begin(self, what: str) -> None:
        """Show the step, and that the one before has ended."""
        self._progress.update(self._row, description=what, completed=self._begun)  # type: ignore[attr-defined]
        self._begun += 1


@contextmanager
def showing(total: int | None = None) -> Iterator[Steps]:
    """While the block runs, steps are shown on a terminal; the lines are gone when it ends."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Shown(progress, progress.add_task("", total=total))
