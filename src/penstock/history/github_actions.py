"""Workflow runs of GitHub Actions as tables of research on build times have them: CSV, a run's jobs as JSON in one field.

Columns used: `repo`, `id_build`, `branch`, `workflow_event_trigger`, `created_at`, `gh_job_id`, `job_details`,
`run_attempt_from_api`. A job counts as submitted when its run was created. What it ran on is not recorded: the
platform is an image that the job's name mentions, or `github-actions`.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.history.github import outcome, submitted
from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import Row
from penstock.history.sources import opened
from penstock.history.tables import table, whole_row
from penstock.history.values import iso_ms, text

REQUIRED = "repo", "id_build", "branch", "created_at", "job_details"
IMAGE = re.compile(r"\b(?:ubuntu|windows|macos)-[\w.]+", re.ASCII)
PLATFORM = "github-actions"


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran. What is read and counted are jobs; a run whose jobs cannot be read counts as one."""
    for path in paths:
        with opened(path, report) as stream:
            found = table(stream, report, ",")
            names = next(found)
            for name in REQUIRED:
                if name not in names:
                    raise Unreadable(report.file, 1, f"no column {name!r}", f"it has {', '.join(REQUIRED)}")
            for fields in found:
                if whole_row(fields, len(names), report):
                    yield from _jobs(dict(zip(names, fields, strict=True)), report)


def _jobs(run: dict[str, str], report: Report) -> Iterator[Row]:
    line = report.line
    try:
        jobs = msgspec.json.decode(run["job_details"], type=list[dict[str, Any]])
        ids = _ids(run.get("gh_job_id", ""), len(jobs), run["id_build"])
    except (msgspec.DecodeError, RecursionError):
        report.drop("a run whose jobs are not JSON", run["job_details"][:60])
        return
    report.read -= 1
    for job, job_id in zip(jobs, ids, strict=True):
        report.at(line)
        try:
            yield _row(run, job, job_id, report)
        except Dropped as why:
            report.drop(why.reason, why.detail)


def _ids(given: str, count: int, run: str) -> list[str]:
    """An id for each job: GitHub's, or the run's with a number where they are not as many as the jobs."""
    try:
        ids = msgspec.json.decode(given, type=list[int | str])
    except msgspec.DecodeError:
        ids = []
    return (
        [str(i) for i in ids] if len(ids) == count else [f"{run}-{number}" for number in range(1, count + 1)]
    )


def _row(run: dict[str, str], job: dict[str, Any], job_id: str, report: Report) -> Row:
    name = text(job.get("job_name"))
    image = IMAGE.search(name)
    attempt = run.get("run_attempt_from_api", "")
    row = Row(
        job_id=job_id,
        name=name,
        project=run["repo"],
        klass=run.get("workflow_event_trigger", ""),
        branch=run["branch"],
        platform=image[0] if image else PLATFORM,
        submitted_ms=iso_ms(run["created_at"]),
        started_ms=iso_ms(job.get("job_start")),
        finished_ms=iso_ms(job.get("job_end")),
        outcome=outcome(text(job.get("job_result"))),
        attempt=int(attempt) if attempt.isdigit() and attempt.isascii() and len(attempt) < 4 else 0,
    )
    if row.outcome == "cancelled" and row.started_ms == row.finished_ms:
        raise Dropped("never ran")
    return submitted(row, row.attempt > 1, report)
