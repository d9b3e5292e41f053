"""Jobs as GitLab's interface lists them (`/projects/ID/jobs`): a JSON list a page, or JSON Lines.

`created_at` is when the pipeline was made; a job of a later stage could not run then. It counts as submitted
`queued_duration` before it began, where that is recorded.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.history.records import made, recorded
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.values import field, iso_ms, number, platform, text
from penstock.model.workload import UNKNOWN

OUTCOMES = {"success": "passed", "failed": "failed", "canceled": "cancelled"}
FARM = frozenset(
    (
        "api_failure",
        "stuck_or_timeout_failure",
        "runner_system_failure",
        "runner_unsupported",
        "scheduler_failure",
        "data_integrity_failure",
        "stale_schedule",
    )
)
"""Values of `failure_reason` that are the farm's faults."""
NEVER = "skipped", "manual"
UNTAGGED = "untagged"
"""The platform of jobs that ask for nothing."""


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per job that ran. The platform is its tags, joined by `+`."""
    for path in paths:
        yield from made(recorded(path, report), _row, report)


def _row(found: dict[str, Any], report: Report) -> Row:
    status = text(found.get("status"))
    if status in NEVER:
        raise Dropped("skipped" if status == "skipped" else "never ran", status)
    if status not in OUTCOMES:
        raise Dropped("not ended", status)
    started_ms = iso_ms(found.get("started_at"))
    if started_ms == UNKNOWN:
        raise Dropped("never ran")
    tags = found.get("tag_list")
    fault = status == "failed" and text(found.get("failure_reason")) in FARM
    return Row(
        job_id=text(found.get("id")),
        name=text(found.get("name")),
        project=_project(found),
        klass=text(found.get("source")) or text(field(found, "pipeline", "source")),
        branch=text(found.get("ref")),
        platform=platform(*map(text, tags)) if isinstance(tags, list) and tags else UNTAGGED,
        submitted_ms=_submitted_ms(found, started_ms, report),
        started_ms=started_ms,
        finished_ms=iso_ms(found.get("finished_at")),
        outcome="error" if fault else OUTCOMES[status],
        machine=text(field(found, "runner", "description")) or text(field(found, "runner", "id")),
    )


def _submitted_ms(found: dict[str, Any], started_ms: int, report: Report) -> int:
    created_ms = iso_ms(found.get("created_at"))
    waited = found.get("queued_duration")
    if waited is None:
        return created_ms
    try:
        waited_s = number(waited)
    except Dropped:
        waited_s = -1
    if waited_s >= 0 and created_ms <= started_ms - waited_s * 1000:
        return started_ms - round(waited_s * 1000)
    report.mend("queued_duration is not possible: taken as submitted when it was created", waited)
    return created_ms


def _project(found: dict[str, Any]) -> str:
    """GROUP/PROJECT of a job's address, or the number of its project."""
    _, _, path = text(found.get("web_url")).partition("://")
    inner, known, _ = path.partition("/-/jobs/")
    return inner.partition("/")[2] if known else text(field(found, "pipeline", "project_id"))
