"""Published archives and databases of other systems: what becomes of each record."""

import json
from pathlib import Path
from typing import Any

import pytest
from history.samples import lines, read

from penstock.history.report import Report, Unreadable
from penstock.wiring import history_format

# Standard Workload Format -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 10 5 20 4 -1 1024 8 60 -1 1 3 2 7 0 2 -1 -1", {"memory_mb": 4, "cores": 4, "klass": "queue-0"}),
        ("1 10 5 20 -1 -1 -1 8 60 2048 0 3 2 7 1 -1 -1 -1", {"memory_mb": 16, "outcome": "failed"}),
        ("1 10 5 20 -1 -1 -1 8 60 2048 5 3 2 7 1 -1 2 5", {"outcome": "cancelled", "needs": "record-2"}),
        (
            "1 10 -1 20 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1",
            {"started_ms": 1_010_000, "platform": "partition-1"},
        ),
        ("1 10 5 20 4 19.7 -1 8 60 -1 1 3 2 7 1 1 -1 -1 99 98", {"finished_ms": 1_035_000}),
    ],
)
def test_a_line_of_swf(tmp_path: Path, line: str, expected: dict[str, Any]) -> None:
    (row,), report = read(tmp_path, "swf", f"; Version: 2.2\n; UnixStartTime: 1000\n;\n{line}\n\n")
    assert {name: getattr(row, name) for name in expected} == expected
    assert (row.job_id, row.name, row.project) == ("record-1", "program-7", "user-3")
    assert report.mended.total() == (" -1 20 " in line) + ("99 98" in line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 10 5 -1 4 -1 -1 8 60 -1 5 3 2 7 1 1 -1 -1", "never ran"),
        ("1 10 5 0 4 -1 -1 8 60 -1 5 3 2 7 1 1 -1 -1", "never ran"),
        ("1 10 5 -1 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1", "how long it ran is not known"),
        ("1 10 5 20 4 -1 -1 8 60 -1 3 3 2 7 1 1 -1 -1", "a part of a job that has a line of its own"),
        ("1 -9 5 20 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1", "a moment before the log begins"),
        ("1 10 5 nan 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1", "not a number where a number belongs"),
        ("1 10 5 20 4", "fewer than 18 fields"),
        ("1 9e99 5 20 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1", "a number that is too large"),
        ("1 9e16 5 20 4 -1 -1 8 60 -1 1 3 2 7 1 1 -1 -1", "a moment after 2100"),
        (
            "1 10 5 20 4 -1 -1 8 60 -1 9 3 2 7 1 1 -1 -1",
            "an outcome that is none of passed, failed, error, cancelled, skipped",
        ),
    ],
)
def test_lines_of_swf_that_are_no_runs(tmp_path: Path, line: str, reason: str) -> None:
    rows, report = read(tmp_path, "swf", line)
    assert (rows, report.dropped) == ([], {reason: 1})


# Mozilla ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "an object without a job"),
        ({"job": {"state": "running"}}, "not ended"),
        ({"job": {"state": "completed", "result": "superseded"}}, "never ran"),
        ({"job": {"state": "completed", "result": "success", "job_guid": "g"}}, "no moment of submission"),
    ],
)
def test_jobs_of_treeherder_that_are_no_runs(tmp_path: Path, record: dict[str, Any], reason: str) -> None:
    rows, report = read(tmp_path, "treeherder", lines(record))
    assert (rows, report.dropped) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "a build without properties: how long it took is not recorded"),
        ({"properties": {}, "result": None}, "not ended"),
        ({"properties": {}, "result": 3}, "skipped"),
        (
            {"properties": {}, "result": "0", "requesttime": 1},
            "an outcome that is none of passed, failed, error, cancelled, skipped",
        ),
    ],
)
def test_builds_of_mozilla_that_are_no_runs(tmp_path: Path, record: dict[str, Any], reason: str) -> None:
    rows, report = read(tmp_path, "mozilla-buildjson", json.dumps({"builds": [record]}))
    assert (rows, report.dropped) == ([], {reason: 1})


# Firefox-CI, Bitcoin Core -----------------------------------------------------------------------------------


def test_half_a_pair_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        Unreadable, match="record: ends within a pair of numbers; it is pairs of 4 bytes each"
    ):
        read(tmp_path, "firefox-ci", "sevenby")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("macOS 14 native, arm64, fuzz", "macos"),
        ("macOS-cross, gui, no tests", "linux"),
        ("Windows native, fuzz, VS 2022", "windows"),
        ("Windows, test cross-built", "windows"),
        ("windows-native-dll", "windows"),
        ("win64 Cross", "linux"),
        ("Linux->Windows cross, no tests", "linux"),
        ("32 bit ARM, unit tests, no functional tests", "linux-arm"),
        ("tidy", "linux"),
    ],
)
def test_what_bitcoins_jobs_ran_on(tmp_path: Path, name: str, kind: str) -> None:
    job = {"id": 1, "name": name, "status": "COMPLETED", "creationTimestamp": 5, "executingTimestamp": 9}
    rows, report = read(
        tmp_path,
        "bitcoin-ci",
        json.dumps([{**job, "finalStatusTimestamp": 10}, {**job, "status": "EXECUTING"}, 7]),
    )
    assert [row.platform for row in rows] == [kind]
    assert report.dropped == {"not ended": 1, "no JSON object": 1}


# Buildbot ---------------------------------------------------------------------------------------------------


def test_a_database_of_something_else_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    for make, line in (
        (lambda: None, "state.sqlite: no such file"),
        (
            lambda: path.write_text("x" * 2000),
            "not the database of a Buildbot master (file is not a database); it is state",
        ),
        (lambda: path.write_bytes(b""), "not the database of a Buildbot master (no such table: "),
    ):
        make()
        with pytest.raises(Unreadable) as told:
            list(history_format("buildbot")([path], Report()))
        assert line in str(told.value)
