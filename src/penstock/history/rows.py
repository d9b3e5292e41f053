"""What every format is turned into: one row per run of a job."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.history.report import Report
from penstock.model.workload import UNKNOWN

COLUMNS = (
    "job_id",
    "name",
    "project",
    "class",
    "branch",
    "platform",
    "submitted_s",
    "started_s",
    "finished_s",
    "outcome",
    "machine",
    "cores",
    "memory_mb",
    "attempt",
    "needs",
)
"""The normal form's columns, in the order in which they are written."""
REQUIRED = ("job_id", "platform", "submitted_s", "started_s", "finished_s", "outcome")
"""Columns that a file in the normal form must have; the others may be missing."""
OUTCOMES = frozenset(("passed", "failed", "error", "cancelled", "skipped"))
"""How a run may have ended."""


class Row(NamedTuple):
    """One run of one job. Moments are milliseconds since 1970 in UTC, UNKNOWN where there was none.

    `cores`, `memory_mb`, `attempt`: 0 = not known. `needs`: job ids separated by spaces.
    """

    job_id: str
    name: str
    project: str
    klass: str
    branch: str
    platform: str
    submitted_ms: int
    started_ms: int
    finished_ms: int
    outcome: str
    machine: str = ""
    cores: int = 0
    memory_mb: int = 0
    attempt: int = 0
    needs: str = ""

    @property
    def ran(self) -> bool:
        """Whether a machine began and ended it."""
        return self.started_ms != UNKNOWN and self.finished_ms != UNKNOWN


Rows = Callable[[Sequence[Path], Report], Iterator[Row]]
"""What a format is: a function that reads files and counts in a report what it reads, mends and leaves out."""
