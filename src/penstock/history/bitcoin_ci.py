"""Bitcoin Core's CI as its statistics keep it: one JSON document, a list of what Cirrus CI calls tasks.

`scheduledTimestamp` is always `executingTimestamp`, so a job counts as submitted when it was created. What never ran
has plausible moments, too, but a duration of 0: it was called off at the moment at which it was to begin.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.history.records import made, recorded
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.values import field, moment_ms, text

OUTCOMES = {"COMPLETED": "passed", "FAILED": "failed", "ABORTED": "cancelled"}
RUNNING = "CREATED", "TRIGGERED", "SCHEDULED", "EXECUTING"


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran."""
    for path in paths:
        yield from made(recorded(path, report), _row, report)


def _row(found: dict[str, Any], report: Report) -> Row:
    status = text(found.get("status"))
    if status in RUNNING:
        raise Dropped("not ended", status)
    started_ms = moment_ms(found.get("executingTimestamp"), report)
    finished_ms = moment_ms(found.get("finalStatusTimestamp"), report)
    if started_ms == finished_ms or started_ms <= 0:
        raise Dropped("never ran")
    name = text(found.get("name"))
    return Row(
        job_id=text(found.get("id")),
        name=name,
        project="bitcoin",
        klass="",
        branch=text(field(found, "build", "branch")),
        platform=_platform(name),
        submitted_ms=moment_ms(found.get("creationTimestamp"), report),
        started_ms=started_ms,
        finished_ms=finished_ms,
        outcome=OUTCOMES.get(status, status),
    )


def _platform(name: str) -> str:
    """What kind of machine a job of this name ran on: the names say so, the jobs do not. What is cross-built is Linux."""
    kind = name.lower()
    if "native" in kind or kind.startswith("windows, test"):
        return "macos" if kind.startswith("macos") else "windows"
    return "linux-arm" if " arm," in f" {kind}" else "linux"
