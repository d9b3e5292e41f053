"""`penstock costs digest`: a letter, or its document."""

import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from tests.ledgers import SPENT, ledger_state


def test_a_letter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ledger_state(tmp_path, *SPENT)
    assert run(["costs", "digest", "--day", "2026-11-10", *state]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("farm: what Tuesday 2026-11-10 cost, in USD\n\n  70.50 in all.")
    assert max(map(len, out.splitlines())) <= 78
    assert err == ""


def test_its_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ledger_state(tmp_path, *SPENT)
    assert run(["costs", "digest", "--day", "2026-11-10", "--json", *state]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["day"], document["spent"]) == (1, "2026-11-10", "70.500000")


def test_what_is_no_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "digest", "--day", "monday", *ledger_state(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("penstock: --day monday: write a day as 2026-10-31")
