"""The history of a real Buildbot: its master's own database after builds that passed, failed, were lost and never ran.

Buildbot lives in an environment of its own (`bench/buildbot.py`): installed once below build/, from the lock.
"""

from pathlib import Path

import pytest
from conftest import not_run

from bench import buildbot
from penstock.history import normal
from penstock.history.importing import import_history
from penstock.wiring import history_format

pytestmark = pytest.mark.real
FAILS = "case $PWD in */b1/*) exit 1;; */b2/*) until test -e {lost}; do sleep 0.1; done;; esac"
"""Builder 0 passes, 1 fails, 2 hangs until it was lost once."""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a master that has ended."""
    if problem := buildbot.installed():
        not_run(f"Buildbot cannot be installed: {problem}")
    folder = tmp_path_factory.mktemp("buildbot")
    lost = folder / "lost"
    running = buildbot.Master(folder, 1, 1, 3, FAILS.format(lost=lost))
    try:
        _history(running, lost)
    finally:
        running.stop()
    return folder


def _history(running: buildbot.Master, lost: Path) -> None:
    running.force(0)
    running.cancel()
    running.start_agents()
    running.wait_connected()
    running.force(0)
    running.wait(1)
    running.wait_idle()
    running.force(1)
    running.wait(2)
    running.wait_idle()
    running.force(2)
    running.wait(3)
    running.stop_agents()
    lost.touch()
    running.wait_idle()
    running.start_agents()
    running.wait(4)
    running.wait_idle()
    running.stop_agents()
    running.force(0)


def test_what_a_real_master_recorded(master: Path, tmp_path: Path) -> None:
    out = tmp_path / "history.csv"
    report = import_history(history_format("buildbot"), [master / "master" / "state.sqlite"], out)
    assert (report.read, report.kept) == (6, 4)
    assert report.dropped == {"never ran": 1, "not ended": 1}
    rows = list(normal.rows([out], report))
    assert [(row.name, row.outcome, row.attempt) for row in rows] == [
        ("b0", "passed", 1),
        ("b1", "failed", 1),
        ("b2", "error", 1),
        ("b2", "passed", 2),
    ]
    assert {(row.machine, row.platform) for row in rows} == {("w0", "w")}
    begun_ms = [int(line) // 1_000_000 for line in (master / "times").read_text().split()]
    for row, began_ms in zip(rows, begun_ms, strict=True):
        # Buildbot records whole seconds.
        assert row.submitted_ms <= row.started_ms <= began_ms + 1000, row
        assert began_ms < row.finished_ms + 1000, row
    assert rows[3].submitted_ms == rows[2].finished_ms, "it could run again when it was lost"
    assert normal.load([out])[0].jobs == 4
