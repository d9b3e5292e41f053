"""A sweep on a real Dask scheduler with two processes of its own, over loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import FARM, write_history

from penstock.cli.app import run


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a scheduler with two processes."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path / "month.csv")
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")
    return tmp_path


SWEEP = (
    "sweep --history month.csv --farm farm.toml --vary pool.own.machines=0,1,2 --vary seed=1,2 --json".split()
)


def test_a_scheduler_gives_the_figures_that_this_machine_gives(
    place: Path, scheduler: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SWEEP, "--results", "far", "--dask", scheduler]) == 0
    far = json.loads(capsys.readouterr().out)
    assert run([*SWEEP, "--results", "near"]) == 0
    assert json.loads(capsys.readouterr().out) == far
    assert len(far["cells"]) == 6
    (kept,) = (place / "far").iterdir()
    assert len(kept.read_bytes().splitlines()) == 6


def test_no_scheduler_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SWEEP, "--dask", "tcp://127.0.0.1:1"]) == 2
    err = capsys.readouterr().err
    assert "no scheduler answers there" in err
    assert len(err.splitlines()) == 1
