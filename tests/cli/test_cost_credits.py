"""Budgets and credits on the command line."""

import csv
import io
import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.model.ledger import Ledger, day_of
from tests.ledgers import FARM_TOML, direct, ledger_state, ms_of

MORE = """
[[budget]]
name = "shared minutes"
amount = 1000
unit = "minutes"
[[grant]]
name = "sponsor"
amount = 100
currency = "USD"
from = 2020-01-01
until = 2099-12-31
"""


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    import time

    today = day_of(int(time.time() * 1000))
    books = Ledger(position=1, day=today, from_ms=ms_of(today - 10), until_ms=ms_of(today))
    options = ledger_state(tmp_path, books, *(direct(2, day=today - n) for n in range(1, 11)))
    (tmp_path / "farm.toml").write_text(FARM_TOML + MORE)
    return options


@pytest.mark.parametrize("what", ["budgets", "grants"])
def test_what_is_asked_as_a_document_and_as_csv(
    what: str, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", what, "--json", *state]) == 0
    (line,) = json.loads(capsys.readouterr().out)[what]
    assert run(["costs", what, "--csv", *state]) == 0
    out, err = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(out))
    assert err == ""
    assert row["used"] == line["used"]
    assert row["left"] == line["left"]


def test_a_table_of_budgets(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "budgets", *state]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split("\t")[:4] == ["budget", "period", "unit", "amount"]
    assert out.splitlines()[1].split("\t")[0] == "shared minutes"
    assert "UTC; rates are the mean of the last 10 whole days" in err


def test_a_table_of_grants_and_the_plan(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "grants", *state]) == 0
    out, err = capsys.readouterr()
    assert "\tpaying\t2020-01-01\t2099-12-31\t100.000000\t20.000000\t80.000000\t" in out
    assert "20.00 USD = 20.00 of credits + 0.00 in cash; owned machines cost 0.00 beside it." in out
    assert "sponsor: the books begin on" in out
    assert "burst: sponsor from" in out
    assert "burst: cash from" in out
    assert err.endswith("; rates are the mean of the last 10 whole days\n")


@pytest.mark.parametrize("what", ["budgets", "grants"])
def test_a_farm_without_any(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", what, *ledger_state(tmp_path)]) == 0
    assert f"farm.toml names no [[{what[:-1]}]]" in capsys.readouterr().err


def test_a_farm_of_today(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ledger_state(tmp_path)
    (tmp_path / "farm.toml").write_text(FARM_TOML + MORE)
    assert run(["costs", "budgets", *options]) == 0
    assert capsys.readouterr().err == "nothing is entered yet; no whole day is known yet\n"
