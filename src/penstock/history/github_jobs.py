"""Jobs of GitHub Actions as its interface lists them (`/actions/runs/ID/jobs`): JSON Lines, or the pages themselves.

Traps: a job that was skipped or cancelled before a machine had it carries moments like any other; a re-run of
failed jobs lists the others again, under new ids with the first attempt's moments.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.history.github import outcome, submitted
from penstock.history.records import made, recorded
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.values import count, iso_ms, platform, text


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran. The platform is what its labels ask for, joined by `+`."""
    seen: dict[int, int] = {}

    def make(found: dict[str, Any], report: Report) -> Row:
        row = _row(found, report)
        key = hash((text(found.get("run_id")), row.name, row.started_ms, row.finished_ms))
        if seen.setdefault(key, row.attempt) != row.attempt:
            raise Dropped("the same run, listed for another attempt", row.job_id)
        return row

    for path in paths:
        yield from made(recorded(path, report, "jobs"), make, report)


def _row(found: dict[str, Any], report: Report) -> Row:
    if found.get("status") not in (None, "completed"):
        raise Dropped("not ended", found.get("status"))
    ended = outcome(text(found.get("conclusion")))
    machine = text(found.get("runner_name"))
    if ended != "passed" and "runner_name" in found and not machine:
        raise Dropped("never ran")
    labels = found.get("labels")
    row = Row(
        job_id=text(found.get("job_id")) or text(found.get("id")),
        name=text(found.get("name")),
        project=_project(text(found.get("url"))),
        klass=text(found.get("workflow_name")),
        branch=text(found.get("head_branch")),
        platform=platform(*map(text, labels)) if isinstance(labels, list) else "",
        submitted_ms=iso_ms(found.get("created_at")),
        started_ms=iso_ms(found.get("started_at")),
        finished_ms=iso_ms(found.get("completed_at")),
        outcome=ended,
        machine=machine,
        attempt=count(found.get("run_attempt"), "run_attempt", report),
    )
    return submitted(row, False, report)


def _project(url: str) -> str:
    """OWNER/REPOSITORY of a job's address; "" without one."""
    _, found, rest = url.partition("/repos/")
    return "/".join(rest.split("/")[:2]) if found else ""
