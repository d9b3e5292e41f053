"""Treeherder's job samples of 2013: JSON Lines, a push's job each, with machine and moments.

The published sample was printed by Python in part: lines with None are no JSON and are dropped.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.history.attempts import Attempts
from penstock.history.records import made, recorded
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.values import field, moment_ms, pool, text

OUTCOMES = {
    "success": "passed",
    "testfailed": "failed",
    "busted": "failed",
    "exception": "error",
    "retry": "error",
    "usercancel": "cancelled",
    "superseded": "cancelled",
    "skipped": "skipped",
}


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per run. The platform is the pool: the machine's name without its number."""
    attempts = Attempts(report)

    def make(found: dict[str, Any], report: Report) -> Row:
        return attempts.numbered(text(field(found, "job", "job_guid")), _row(found, report))

    for path in paths:
        yield from made(recorded(path, report), make, report)


def _row(found: dict[str, Any], report: Report) -> Row:
    job = found.get("job")
    if not isinstance(job, dict):
        raise Dropped("an object without a job")
    if job.get("state") != "completed":
        raise Dropped("not ended", job.get("state"))
    result = text(job.get("result"))
    if result in ("skipped", "superseded"):
        raise Dropped("never ran", result)
    machine = text(job.get("machine"))
    return Row(
        job_id=text(job.get("job_guid")),
        name=text(job.get("buildername")) or text(job.get("name")),
        project=text(job.get("product_name")),
        klass="",
        branch=text(found.get("project")),
        platform=pool(machine),
        submitted_ms=moment_ms(job.get("submit_timestamp"), report),
        started_ms=moment_ms(job.get("start_timestamp"), report),
        finished_ms=moment_ms(job.get("end_timestamp"), report),
        outcome=OUTCOMES.get(result, result),
        machine=machine,
    )
