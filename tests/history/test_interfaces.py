"""Records with the shapes that GitHub, GitLab and Slurm document: what becomes of each, traps included."""

import json
from pathlib import Path
from typing import Any

import pytest
from history.samples import GITHUB, GITLAB, RAN, SACCT, START_MS, lines, read

from penstock.history.github import AGAIN, LONG
from penstock.history.report import Unreadable
from penstock.history.rows import Row

# GitHub -----------------------------------------------------------------------------------------------------


def test_a_job_of_github(tmp_path: Path) -> None:
    (row,), report = read(tmp_path, "github-jobs", lines(GITHUB))
    assert row == Row(
        job_id="399444496",
        name="build",
        project="octo-org/octo-repo",
        klass="CI",
        branch="main",
        platform="self-hosted+foo+bar",
        submitted_ms=START_MS - 60_000,
        started_ms=START_MS,
        finished_ms=START_MS + 119_000,
        outcome="passed",
        machine="my runner",
        attempt=1,
    )
    assert not report.mended


def test_pages_of_github_are_read_too(tmp_path: Path) -> None:
    page = {"total_count": 2, "jobs": [GITHUB, {**GITHUB, "id": 2, "name": "test"}, None]}
    for text in (json.dumps(page), json.dumps(page, indent=2)):
        rows, report = read(tmp_path, "github-jobs", text)
        assert [row.job_id for row in rows] == ["399444496", "2"]
        assert (report.read, report.dropped) == (3, {"no JSON object": 1})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"conclusion": "skipped", "runner_name": ""}, "skipped"),
        ({"conclusion": "cancelled", "runner_id": 0, "runner_name": ""}, "never ran"),
        ({"conclusion": "action_required"}, "never ran"),
        ({"status": "in_progress", "conclusion": None, "completed_at": None}, "not ended"),
        ({"status": None, "conclusion": None}, "not ended"),
        ({"completed_at": "0001-01-01T00:00:00Z"}, "a moment before 1970"),
        ({"started_at": "08/08/2019 20:00:00"}, "not a moment where a moment belongs"),
        ({"completed_at": 7}, "not a moment where a moment belongs"),
        ({"created_at": "9999-12-31T23:59:59-23:59"}, "a moment after 2100"),
        ({"conclusion": "novel"}, "an outcome that is none of passed, failed, error, cancelled, skipped"),
        ({"name": ["build"]}, "not text where text belongs"),
    ],
)
def test_jobs_of_github_that_are_no_runs(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    rows, report = read(tmp_path, "github-jobs", lines({**GITHUB, **change}))
    assert (rows, report.dropped) == ([], {reason: 1})


def test_what_a_rerun_lists_again_is_one_run(tmp_path: Path) -> None:
    again = {**GITHUB, "id": 5, "run_attempt": 2, "created_at": "2020-01-22T09:00:00Z", "runner_name": ""}
    for order in ((GITHUB, again), (again, GITHUB)):
        rows, report = read(tmp_path, "github-jobs", lines(*order))
        assert len(rows) == 1
        assert report.dropped == {"the same run, listed for another attempt": 1}
    (row,), report = read(tmp_path, "github-jobs", lines(again))
    assert row.submitted_ms == row.started_ms == START_MS
    assert report.mended.total() == 1


def test_a_wait_of_days_is_none(tmp_path: Path) -> None:
    (row,), report = read(tmp_path, "github-jobs", lines({**GITHUB, "created_at": "2020-01-17T00:00:00Z"}))
    assert row.submitted_ms == START_MS
    assert report.mended == {LONG: 1}


def test_a_run_of_github_as_a_table(tmp_path: Path) -> None:
    job = {"job_name": "build (ubuntu-22.04, x)", "job_start": GITHUB["started_at"]}
    job |= {"job_end": GITHUB["completed_at"], "job_result": "success"}
    jobs = [job, {**job, "job_result": "skipped"}, {**job, "job_end": None}, {**job, "job_result": ""}]
    head = (
        "repo,id_build,branch,workflow_event_trigger,created_at,gh_job_id,job_details,run_attempt_from_api\n"
    )
    quoted = json.dumps(jobs).replace('"', '""')
    text = f'{head}o/r,9,main,push,2020-01-20T17:42:00Z,"[1]","{quoted}",2\no/r,10,main,push,x,[],pending,1\n'
    (row,), report = read(tmp_path, "github-actions", text)
    assert (row.job_id, row.platform, row.project, row.klass) == ("9-1", "ubuntu-22.04", "o/r", "push")
    assert row.submitted_ms == START_MS
    assert report.mended == {AGAIN: 1}
    assert report.read == 5
    assert report.dropped == {
        "skipped": 1,
        "began, but has no end": 1,
        "not ended": 1,
        "a run whose jobs are not JSON": 1,
    }


def test_a_table_of_something_else_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"record:1: no column 'repo'; it has repo, id_build, "):
        read(tmp_path, "github-actions", "a,b\n1,2\n")


# GitLab -----------------------------------------------------------------------------------------------------


def test_a_job_of_gitlab(tmp_path: Path) -> None:
    for text in (json.dumps([GITLAB], indent=2), "\ufeff" + json.dumps([GITLAB]), lines(GITLAB)):
        (row,), report = read(tmp_path, "gitlab", text)
        assert row == Row(
            job_id="7",
            name="teaspoon",
            project="foo/bar",
            klass="push",
            branch="main",
            platform="docker-runner+ubuntu18",
            submitted_ms=1_450_979_667_712,
            started_ms=1_450_979_667_722,
            finished_ms=1_450_979_667_895,
            outcome="failed",
            machine="32",
        )
        assert not report.mended


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"status": "success"}, "outcome", "passed"),
        ({"status": "canceled"}, "outcome", "cancelled"),
        ({"failure_reason": "runner_system_failure"}, "outcome", "error"),
        ({"tag_list": []}, "platform", "untagged"),
        ({"web_url": None}, "project", "1"),
        ({"queued_duration": None}, "submitted_ms", 1_450_972_281_802),
        ({"queued_duration": -1}, "submitted_ms", 1_450_972_281_802),
        ({"queued_duration": 10**9}, "submitted_ms", 1_450_972_281_802),
        ({"queued_duration": "soon"}, "submitted_ms", 1_450_972_281_802),
    ],
)
def test_what_a_job_of_gitlab_says(tmp_path: Path, change: dict[str, Any], field: str, value: object) -> None:
    (row,), report = read(tmp_path, "gitlab", lines({**GITLAB, **change}))
    assert getattr(row, field) == value
    assert report.mended.total() == (change.get("queued_duration") is not None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "skipped"}, "skipped"),
        ({"status": "manual"}, "never ran"),
        ({"status": "running"}, "not ended"),
        ({"status": "canceled", "started_at": None}, "never ran"),
    ],
)
def test_jobs_of_gitlab_that_are_no_runs(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    rows, report = read(tmp_path, "gitlab", json.dumps([{**GITLAB, **change}]))
    assert (rows, report.dropped) == ([], {reason: 1})


def test_half_a_page_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"record: not JSON \("):
        read(tmp_path, "gitlab", json.dumps([GITLAB])[:-9])


# Slurm ------------------------------------------------------------------------------------------------------


def test_a_job_of_slurm(tmp_path: Path) -> None:
    text = (
        f"{SACCT}\n15|sleep.sh|debug|lab|2|COMPLETED|0:0|{RAN}\n15.batch|batch||lab|2|COMPLETED|0:0|{RAN}\n"
    )
    (row,), report = read(tmp_path, "sacct", text)
    assert row == Row(
        job_id="15",
        name="sleep.sh",
        project="lab",
        klass="",
        branch="",
        platform="debug",
        submitted_ms=START_MS - 2_500_000,
        started_ms=START_MS,
        finished_ms=START_MS + 119_000,
        outcome="passed",
        machine="n[1-2]",
        cores=2,
        memory_mb=8_000,
        attempt=1,
    )
    assert report.dropped == {"a step of a job": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"15|x|debug|lab|2|RUNNING|0:0|{RAN}", "not ended"),
        (f"15|x|debug|lab|0|CANCELLED by 1000|0:0|{RAN.replace('n[1-2]', 'None assigned')}", "never ran"),
        ("15|x|debug|lab|0|CANCELLED|0:0|1579542160|Unknown|None|1579542161||n1|1", "never ran"),
        ("15|x|debug|lab|0|CANCELLED+|0:0|1579542160|1579542160|1579542161|1579542161||n1|1", "never ran"),
        ("15|x|debug", "not as many fields as columns"),
    ],
)
def test_jobs_of_slurm_that_are_no_runs(tmp_path: Path, line: str, reason: str) -> None:
    rows, report = read(tmp_path, "sacct", f"{SACCT}\n{line}\n")
    assert (rows, report.dropped) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("asked", "memory_mb"),
    [("16Gn", 32_768), ("1.5G", 1_536), ("512000K", 500), ("0", 0), ("", 0), ("lots", 0)],
)
def test_memory_of_slurm(tmp_path: Path, asked: str, memory_mb: int) -> None:
    line = f"15|x|debug|lab|2|TIMEOUT|0:0|{RAN.replace('4000Mc', asked)}"
    (row,), report = read(tmp_path, "sacct", f"{SACCT}\n{line}\n")
    assert (row.memory_mb, row.outcome) == (memory_mb, "failed")
    assert report.mended.total() == (asked == "lots")


def test_a_separator_in_a_name_and_one_at_the_end(tmp_path: Path) -> None:
    (row,), report = read(tmp_path, "sacct", f"{SACCT}|\n15|a|b|c|debug|lab|2|FAILED|1:0|{RAN}\n")
    assert (row.name, row.platform) == ("a|b|c", "debug")
    assert report.mended == {"more fields than columns: taken as a | in JobName": 1}
    (row,), report = read(tmp_path, "sacct", f"{SACCT}|\n15|a|debug|lab|2|FAILED|1:0|{RAN}|\n")
    assert (row.name, report.mended) == ("a", {})


def test_a_job_that_slurm_queued_again_is_two_runs(tmp_path: Path) -> None:
    later = RAN.replace("T17:42:40", "T17:50:00").replace("T17:44:39", "T17:51:00")
    text = f"{SACCT}\n15|x|debug|lab|2|NODE_FAIL|0:0|{RAN}\n15|x|debug|lab|2|COMPLETED|0:0|{later}\n"
    text += f"15|x|debug|lab|2|COMPLETED|0:0|{later}\n"
    (first, second), report = read(tmp_path, "sacct", text)
    assert (first.outcome, second.outcome) == ("error", "passed")
    assert (second.job_id, second.attempt, second.submitted_ms) == ("15.2", 2, first.finished_ms)
    assert report.dropped == {"a run that came before": 1}


def test_sacct_without_what_is_needed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        Unreadable, match=r"record:1: no column 'Submit'; print it with sacct -P -o JobID,Submit,"
    ):
        read(tmp_path, "sacct", "JobID|JobName|Partition|Account|AllocCPUS|State|ExitCode\n")
