"""Histories that other systems really recorded: how many runs they hold, and why the rest is none."""

from collections import Counter
from pathlib import Path

import pytest

from penstock.history import normal
from penstock.history.importing import import_history
from penstock.history.report import Report
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
    [("gecko-3-b-linux", 36_511), ("mobile-3-b-linux-large", 5_254), ("mobile-1-decision", 240)],
)
def test_firefox_ci(shared_data: Path, tmp_path: Path, pool: str, jobs: int) -> None:
    report, workload = imported("firefox-ci", [shared_data / "firefox-ci" / f"{pool}.dat"], tmp_path)
    assert (report.read, workload.jobs, workload.platforms) == (jobs, jobs, [pool])


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
