"""Live progress of one build: bars on a terminal, one line per finished job otherwise. All on standard error."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from penstock.cli.output import style_of
from penstock.model.job import Attempt, Job
from penstock.model.states import JobState
from penstock.model.units import seconds
from penstock.reports.builds import ran_ms, result_of, waited_ms

Attempts = Mapping[str, Sequence[Attempt]]


def watcher(quiet: bool) -> "Silent | Lines":
    """Bars on a terminal, lines elsewhere, nothing when `quiet`."""
    console = Console(stderr=True)
    if quiet:
        return Silent()
    return Bars(console) if console.is_terminal else Lines(console)


def ended_text(job: Job, attempts: Sequence[Attempt]) -> Text:
    """One finished job as a line: result, name, waited, ran, and why when it did not just pass."""
    result = result_of(job)
    text = Text(f"{result:>10}  ", style=style_of(result)).append(job.name, style="default")
    if job.state in (JobState.PASSED, JobState.FAILED, JobState.ERROR):
        waited, ran = seconds(waited_ms(job, attempts)), seconds(ran_ms(attempts))
        text.append(f"  waited {waited:.1f} s, ran {ran:.1f} s", style="dim")
    if job.state != JobState.PASSED and job.reason:
        text.append(f"  {job.reason}", style="dim")
    return text


class Silent:
    """Shows nothing."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, jobs: Sequence[Job], attempts: Attempts) -> None:
        """Nothing to show."""


class Lines:
    """One line per job as it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, jobs: Sequence[Job], attempts: Attempts) -> None:
        """Print those that ended since the last call, in the order in which they ended."""
        fresh = [job for job in jobs if not job.open and job.id not in self._told]
        for job in sorted(fresh, key=lambda job: (job.ended_ms, job.name)):
            self._told.add(job.id)
            self._console.print(ended_text(job, attempts.get(job.id, ())), soft_wrap=True)


class Bars(Lines):
    """The lines of ended jobs above one bar for the build and one spinner per running job."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        self._whole: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, jobs: Sequence[Job], attempts: Attempts) -> None:
        """Move the bar, add and remove running jobs."""
        super().show(jobs, attempts)
        if self._whole is None:
            self._whole = self._progress.add_task("build", total=len(jobs))
        self._progress.update(self._whole, completed=sum(not job.open for job in jobs), total=len(jobs))
        running = {job.id: job for job in jobs if job.state == JobState.RUNNING}
        for job_id in [job_id for job_id in self._running if job_id not in running]:
            self._progress.remove_task(self._running.pop(job_id))
        for job_id, job in running.items():
            if job_id not in self._running:
                self._running[job_id] = self._progress.add_task(Text(job.name).plain, total=None)
