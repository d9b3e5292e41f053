"""Live progress of a build on a hub: a bar on a terminal, a line per ended job. All on standard error."""

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from penstock.cli.output import style_of
from penstock.model.states import JobState
from penstock.reports.builds import RESULTS

Document = dict[str, Any]
RUNNING_SHOWN = 3
ENDED = frozenset(RESULTS.values())
TRIED = ("passed", "failed", "error")


def shown(quiet: bool) -> "Silent | Lines":
    """A bar on a terminal, lines elsewhere, nothing when `quiet`."""
    console = Console(stderr=True)
    if quiet:
        return Silent()
    return Bar(console) if console.is_terminal else Lines(console)


class Silent:
    """Shows nothing."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, document: Document) -> None:
        """Nothing to show."""


class Lines(Silent):
    """One line per job as it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()

    def show(self, document: Document) -> None:
        """Print those that ended since the last call."""
        for job in document["jobs"]:
            if job["result"] in ENDED and job["id"] not in self._told:
                self._told.add(job["id"])
                self._console.print(ended_text(job), soft_wrap=True)


def ended_text(job: Document) -> Text:
    """One ended job as a line: result, name, waited, ran, and why when it did not just pass."""
    name = f"{job['module']} {job['kind']} on {job['platform']}"
    text = Text(f"{job['result']:>10}  ", style=style_of(job["result"])).append(name, style="default")
    if job["result"] in TRIED:
        text.append(f"  waited {job['waited_s']:.1f} s, ran {job['ran_s']:.1f} s", style="dim")
    if job["result"] != "passed" and job["reason"]:
        text.append("  " + "".join(c if c.isprintable() else " " for c in job["reason"]), style="dim")
    return text


class Bar(Lines):
    """The lines of ended jobs above one bar that names what runs."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
            console=console,
        )  # fmt: skip
        self._bar = self._progress.add_task("", total=None)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, document: Document) -> None:
        """Move the bar."""
        super().show(document)
        jobs = document["jobs"]
        running = [f"{job['module']} {job['kind']}" for job in jobs if job["result"] == JobState.RUNNING]
        more = f" and {len(running) - RUNNING_SHOWN} more" if len(running) > RUNNING_SHOWN else ""
        said = Text(", ".join(running[:RUNNING_SHOWN]) + more).plain.replace("[", "(")
        self._progress.update(
            self._bar,
            total=len(jobs),
            completed=sum(job["result"] in ENDED for job in jobs),
            description=said,
        )
