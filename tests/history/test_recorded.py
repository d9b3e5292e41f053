"""Histories that other systems really recorded: how many runs they hold, and why the rest is none."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from penstock.history import normal
from penstock.history.importing import import_history
from penstock.history.report import Report
from penstock.history.rows import Row
from penstock.model.workload import Workload
from penstock.wiring import history_format


def imported(form: str, paths: list[Path], folder: Path) -> tuple[Report, Workload]:
    """What `penstock history import` counts, and what is loaded from the file that it writes."""
    out = folder / "history.csv"
    report = import_history(history_format(form), paths, out)
    workload, dropped = normal.load([out])
    assert not dropped, "what was imported is clean"
    assert workload.jobs == report.kept
    assert report.read == report.kept + report.dropped.total()
    return report, workload


@pytest.mark.parametrize(
    ("pool", "jobs"),
    [("mobile-3-b-linux-large", 5_254), ("mobile-3-decision", 295), ("mobile-1-decision", 240)],
)
def test_firefox_ci(shared_data: Path, tmp_path: Path, pool: str, jobs: int) -> None:
    report, workload = imported("firefox-ci", [shared_data / "firefox-ci" / f"{pool}.dat"], tmp_path)
    assert (report.read, workload.jobs, workload.platforms) == (jobs, jobs, [pool])


@pytest.mark.parametrize(
    ("pool", "hours", "jobs"), [("gecko-3-b-linux", 48, 16_353), ("gecko-t-t-linux-large", 18, 17_006)]
)
def test_the_parts_of_firefox_ci_that_research_replays(
    shared_data: Path, pool: str, hours: int, jobs: int
) -> None:
    rows = history_format("firefox-ci")([shared_data / "firefox-ci" / f"{pool}.dat"], Report())
    first = next(rows)
    until_ms = first.submitted_ms + hours * 3_600_000
    assert 1 + sum(row.submitted_ms < until_ms for row in rows) == jobs


def test_firefox_ci_values(shared_data: Path, tmp_path: Path) -> None:
    _, workload = imported("firefox-ci", [shared_data / "firefox-ci" / "mobile-1-decision.dat"], tmp_path)
    assert workload.submitted_ms[0] == 200_083, "milliseconds are kept"
    assert (min(workload.duration_ms), max(workload.duration_ms)) == (18_867, 451_735)


def test_bitcoin_ci_has_the_runs_that_research_counts(shared_data: Path, tmp_path: Path) -> None:
    report, workload = imported("bitcoin-ci", [shared_data / "bitcoin-ci" / "tasks.json.gz"], tmp_path)
    assert (report.read, report.kept) == (8_656, 8_301)
    assert report.dropped == {"never ran": 311, "ended before it began": 44}
    assert len(workload.names) == 35
    assert set(workload.platforms) == {"linux", "linux-arm", "macos", "windows"}
    assert round(sum(workload.duration_ms) / 3_600_000) == 2_527, "job-hours"
    span_s = (workload.submitted_ms[-1] - workload.submitted_ms[0]) / 1000
    assert round(span_s / 86_400, 1) == 24.2


def test_small_swf(shared_data: Path, tmp_path: Path) -> None:
    report, workload = imported("swf", [shared_data / "swf" / "hpc2n-alea-subset.swf.gz"], tmp_path)
    assert (report.read, report.kept) == (3_170, 3_145)
    assert report.dropped == {"how long it ran is not known": 25}
    assert workload.submitted_ms[0] == 1_027_839_845_000, "counted from UnixStartTime"
    assert Counter(workload.cores).most_common(1)[0][0] > 0


@pytest.mark.parametrize(("project", "jobs", "names"), [("bmad", 2_176, 2), ("pr3y", 3_795, 16)])
def test_github_actions(shared_data: Path, tmp_path: Path, project: str, jobs: int, names: int) -> None:
    paths = sorted((shared_data / "github-actions").glob(f"*{project}*.gz"))
    report, workload = imported("github-actions", paths, tmp_path)
    assert (workload.jobs, len(workload.names)) == (jobs, names), "what research counts"
    assert report.dropped == ({} if project == "bmad" else {"never ran": 1})
    waits_ms = [
        start - asked for start, asked in zip(workload.started_ms, workload.submitted_ms, strict=True)
    ]
    assert max(waits_ms) < 3_600_000, "no wait of days made by a re-run"


def test_treeherder(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "mozilla").glob("treeherder*"))
    report, workload = imported("treeherder", paths, tmp_path)
    assert (report.read, report.kept, report.dropped) == (860, 689, {"a line that is not JSON": 171})
    assert len(workload.names) == 598, "what research counts"
    assert {"t-w864-ix", "tst-linux64-ec2", "panda"} <= set(workload.platforms)
    assert report.mended.total() == 6, "runs again of six jobs"


def test_mozilla_buildjson_agrees_with_its_published_normalisation(shared_data: Path) -> None:
    folder = shared_data / "mozilla"
    answers = json.loads(gzip.decompress((folder / "buildbot_buildjson_normalised.json.gz").read_bytes()))
    report = Report()
    source = folder / "buildbot_buildjson_samples.json.gz"
    rows = history_format("mozilla-buildjson")([source], report)
    found = dict((report.line, row) for row in rows)  # noqa: C402  (the line moves on with each row)
    timed = {n: answer for n, answer in enumerate(answers, 1) if "start_time" in answer.get("action", {})}
    assert found.keys() == timed.keys(), "one of 178 has no moments: both leave it out"
    assert len(found) == 177
    for number, answer in timed.items():
        assert said(found[number]) == published(answer), number


STATUS = {"success": "passed", "warnings": "failed", "failure": "failed", "exception": "error"}
STATUS |= {"retry": "error", "cancelled": "cancelled"}


def said(row: Row) -> dict[str, Any]:
    """What a row says, as far as the published normalisation says it, too."""
    return {
        "times": (row.submitted_ms // 1000, row.started_ms // 1000, row.finished_ms // 1000),
        "outcome": row.outcome,
        "name": row.name,
        "branch": row.branch,
        "machine": row.machine,
        "pool": row.platform if row.machine else "",
        "project": row.project,
    }


def published(answer: dict[str, Any]) -> dict[str, Any]:
    """The published normalisation of a build in our words."""
    action, build, run = (answer.get(part, {}) for part in ("action", "build", "run"))
    return {
        "times": (action["request_time"], action["start_time"], action["end_time"]),
        "outcome": STATUS[action["buildbot_status"]],
        "name": run.get("key", ""),
        "branch": build.get("branch", ""),
        "machine": run.get("machine", {}).get("name", ""),
        "pool": run.get("machine", {}).get("pool", ""),
        "project": build.get("product", ""),
    }


LARGE = r"""
import re, sys
from pathlib import Path
from penstock.history import normal
from penstock.history.importing import import_history
from penstock.wiring import history_format
source, out = Path(sys.argv[1]), Path(sys.argv[2])
report = import_history(history_format("swf"), [source], out)
workload, dropped = normal.load([out])
# not ru_maxrss: that counts what the process was before it became this program, too, a copy of the whole test run
peak_kb = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]
print(report.read, report.kept, workload.jobs, len(dropped), int(peak_kb) // 1024)
"""


def test_a_large_history_is_read_as_a_stream(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "swf" / "RICC-2010-2.swf.gz"
    command = [sys.executable, "-c", LARGE, str(source), str(tmp_path / "history.csv")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    *counts, memory_mb = map(int, printed.split())
    assert counts == [447_794, 447_786, 447_786, 0]
    assert memory_mb < 300, "measured: 125"
