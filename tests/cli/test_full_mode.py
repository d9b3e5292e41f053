"""`penstock simulate --mode full`: the same document, from a run through the hub's own services."""

import json
from pathlib import Path

import pytest
from histories import FARM

from penstock.cli.app import run

HISTORY = "job_id,platform,submitted_s,started_s,finished_s,outcome\n" + "".join(
    f"j{n},linux,{1_700_000_000 + 30 * n},{1_700_000_000 + 30 * n},{1_700_000_000 + 30 * n + 400},passed\n"
    for n in range(20)
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "month.csv").write_text(HISTORY)
    (tmp_path / "farm.toml").write_text(FARM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert run(["simulate", "--history", "month.csv", "--farm", "farm.toml", "--json", *words]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)["policies"]["penstock"]
    return found


def test_both_modes_answer_alike(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full, quick = document(capsys, "--mode", "full"), document(capsys)
    assert list(full) == list(quick)
    assert (full["jobs_finished"], full["jobs_lost"], full["wait_s"]) == (20, 0, quick["wait_s"])


def test_another_mode_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--history", "month.csv", "--farm", "farm.toml", "--mode", "exact"]) == 2
    assert capsys.readouterr().err == "penstock: --mode: there is no 'exact'; write quick or full\n"
