"""Records with the shapes that other systems document or published, each of a job that ran; and what reads them."""

import json
from pathlib import Path
from typing import Any

from penstock.history.cleaning import Cleaning
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.wiring import history_format

GITHUB: dict[str, Any] = {
    "id": 399444496,
    "run_id": 29679449,
    "run_attempt": 1,
    "url": "https://api.github.com/repos/octo-org/octo-repo/actions/jobs/399444496",
    "status": "completed",
    "conclusion": "success",
    "created_at": "2020-01-20T17:41:40Z",
    "started_at": "2020-01-20T17:42:40Z",
    "completed_at": "2020-01-20T17:44:39Z",
    "name": "build",
    "steps": [{"name": "Set up job", "started_at": "2020-01-20T09:42:40.000-08:00"}],
    "labels": ["self-hosted", "foo", "bar"],
    "runner_id": 1,
    "runner_name": "my runner",
    "workflow_name": "CI",
    "head_branch": "main",
}
GITLAB: dict[str, Any] = {
    "id": 7,
    "name": "teaspoon",
    "status": "failed",
    "failure_reason": "script_failure",
    "stage": "test",
    "ref": "main",
    "source": "push",
    "created_at": "2015-12-24T15:51:21.802Z",
    "started_at": "2015-12-24T17:54:27.722Z",
    "finished_at": "2015-12-24T17:54:27.895Z",
    "erased_at": None,
    "duration": 0.173,
    "queued_duration": 0.010,
    "tag_list": ["docker runner", "ubuntu18"],
    "pipeline": {"id": 6, "project_id": 1, "ref": "main", "status": "pending"},
    "runner": {"id": 32, "description": "", "runner_type": "instance_type"},
    "web_url": "https://example.com/foo/bar/-/jobs/7",
}
SACCT = "JobID|JobName|Partition|Account|AllocCPUS|State|ExitCode|Submit|Eligible|Start|End|ReqMem|NodeList|NNodes"
RAN = "2020-01-20T17:00:00|2020-01-20T17:01:00|2020-01-20T17:42:40|2020-01-20T17:44:39|4000Mc|n[1-2]|2"
BITCOIN: dict[str, Any] = {
    "id": 49621857354,
    "status": "FAILED",
    "name": "macOS 14 native, arm64, no depends, sqlite only, gui",
    "creationTimestamp": 1757006747,
    "executingTimestamp": 1757006752,
    "finalStatusTimestamp": 1757006896,
    "build": {"branch": "202508_ipc_test"},
}
TREEHERDER: dict[str, Any] = {
    "project": "mozilla-release",
    "job": {
        "submit_timestamp": 1384287332,
        "start_timestamp": 1384287496,
        "end_timestamp": 1384288484,
        "buildername": "Rev4 MacOSX Lion 10.7 mozilla-release opt test mochitest-other",
        "machine": "talos-r4-lion-066",
        "state": "completed",
        "result": "success",
        "job_guid": "d9c971734b3169127e4ffdbc284d8622b2e0e553",
    },
}
BUILDJSON: dict[str, Any] = {
    "id": 129209152,
    "requesttime": 1517528646,
    "starttime": 1517528647,
    "endtime": 1517528653,
    "result": 2,
    "properties": {
        "branch": "mozilla-central",
        "buildername": "reftest-e10s-1",
        "slavename": "t-w1064-ix-073",
    },
}
START_MS = 1_579_542_160_000
"""2020-01-20T17:42:40Z."""


def read(folder: Path, form: str, text: str) -> tuple[list[Row], Report]:
    """The cleaned rows of a file with this text, and what was counted."""
    path = folder / "record"
    path.write_text(text)
    report, rows = Report(), []
    cleaning = Cleaning(report)
    for row in history_format(form)([path], report):
        try:
            rows.append(cleaning.cleaned(row))
        except Dropped as why:
            report.drop(why.reason, why.detail)
    assert report.read == len(rows) + report.dropped.total()
    return rows, report


def lines(*records: dict[str, Any]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)
