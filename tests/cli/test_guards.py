"""Guards on the command line: where they stand, a dry run, yes and no."""

import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.cli.costs import guards_command
from penstock.model.ledger import Guarding
from penstock.model.states import GuardState
from penstock.store.open import open_store
from tests.farms import TestFarm, planned
from tests.ledgers import BOOKS, FARM_TOML, RULES, TODAY, direct, write

GUARDS = """
[[budget]]
name = "month"
amount = 300
[[guard]]
name = "slow-down"
when = "forecast > 95%"
for = "48h"
then = ["notify:infra", "owned_only"]
approval = "manual"
exempt = ["release"]
[[guard]]
name = "h"
when = "actual > 50%"
for = "1s"
then = ["cap:burst=1"]
"""
PENDING = Guarding(
    name="slow-down", state=GuardState.PENDING, since_ms=1, reason="too much", period="month 2026-11-01"
)


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    store = open_store(f"sqlite:///{tmp_path}/penstock.db", tmp_path)
    farm = TestFarm(RULES, store)
    for number in range(3):
        farm.submit(f"c{number}", planned(f"lib{number}"))
    write(store, BOOKS, PENDING, *(direct(11, day=TODAY - day) for day in range(1, 28)))
    store.close()
    (tmp_path / "farm.toml").write_text(FARM_TOML + GUARDS)
    return ["--farm", str(tmp_path / "farm.toml"), "--state", str(tmp_path)]


def test_a_table_says_what_each_does_and_what_comes_next(
    state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", "guards", *state]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == guards_command.COLUMNS
    assert [row[:2] for row in rows[1:]] == [["slow-down", "pending"], ["h", "standby"]]
    assert rows[1][5:] == ["notify:infra, owned_only (not release)", "too much"]
    assert "slow-down: waits for a person: `penstock costs approve slow-down`" in err


def test_one_guard_as_a_document(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "guards", "h", "--json", *state]) == 0
    (line,) = json.loads(capsys.readouterr().out)["guards"]
    assert (line["name"], line["limit_percent"], line["for_s"]) == ("h", 50.0, 1.0)
    assert "dry_run" not in line
    assert run(["costs", "guards", "nope", *state]) == 2
    assert "nope" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_moved(
    state: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards_command, "JOBS_SHOWN", 1)
    assert run(["costs", "guards", "--dry-run", *state]) == 0
    out, err = capsys.readouterr()
    assert (
        "slow-down: if it fired now, 3 of the first 3 queued jobs would wait, instead of going to pool burst"
        in err
    )
    assert "h: if it fired now, 2 of the first 3 queued jobs would start at another time in pool burst" in err
    assert "burst (ordered) in 0 s\twaits" in out
    assert "and 2 more: --json has all" in err


def test_yes_and_no(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "approve", "slow-down", *state]) == 0
    assert capsys.readouterr().out == "guard slow-down is active: too much\n"
    assert run(["costs", "guards", "slow-down", "--dry-run", *state]) == 0
    assert "slow-down: it is in force already" in capsys.readouterr().err
    assert run(["costs", "approve", "slow-down", *state]) == 0
    assert capsys.readouterr().out.startswith("guard slow-down was already active")
    assert run(["costs", "undo", "slow-down", "--reason", "a release week", "--json", *state]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["state"], done["changed"]) == ("standby", True)
    assert run(["costs", "guards", "slow-down", *state]) == 0
    out, err = capsys.readouterr()
    assert "taken back" in out
    assert "lets it act again" in err
    assert run(["costs", "undo", "h", *state]) == 2
    assert "guard h stands by: there is nothing to take back" in capsys.readouterr().err


def test_a_farm_without_guards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(f"sqlite:///{tmp_path}/penstock.db", tmp_path)
    TestFarm(RULES, store)
    store.close()
    (tmp_path / "farm.toml").write_text(FARM_TOML)
    assert run(["costs", "guards", "--farm", str(tmp_path / "farm.toml"), "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "farm.toml names no [[guard]]\n"
