"""`penstock costs export`: a file for other programs, whole or not at all."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.hub.costs import export
from penstock.reports.focus import COLUMNS, OUR_COLUMNS
from tests.ledgers import SPENT, ledger_state, tally

NOVEMBER = ["--from", "2026-11-01", "--until", "2026-11-10"]

GRANT = """
[[grant]]
name = "aws"
amount = 20
currency = "USD"
from = 2026-10-01
until = 2026-12-31
pools = ["burst"]
"""


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_file_with_all_columns_and_the_sum_of_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, out = ledger_state(tmp_path, *SPENT), tmp_path / "focus.csv"
    assert run(["costs", "export", "--focus", "-o", str(out), *NOVEMBER, *state]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("6 rows, 2026-11-01 to 2026-11-10, USD: 70.5")
    text = out.read_text()
    assert tuple(text.partition("\n")[0].split(",")) == (*COLUMNS, *OUR_COLUMNS)
    assert sum(Decimal(row["EffectiveCost"]) for row in read(text)) == Decimal("70.5")
    assert run(["costs", "export", "--focus", "--month", "2026-11", *state]) == 0
    assert capsys.readouterr().out == text


def test_what_comes_in_parts_is_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ledger_state(tmp_path, *SPENT)
    words = ["costs", "export", "--focus", "-o", "-", "--from", "2026-10-01", "--until", "2026-11-10", *state]
    assert run(words) == 0
    whole = capsys.readouterr()
    monkeypatch.setattr(export, "MOST_ROWS", 1)
    assert run(words) == 0
    assert capsys.readouterr() == whole


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "costs export: in which form? write --focus"),
        (["--focus", "--month", "2026-11", "--until", "2026-11-10"], "--month and --from or --until: write one"),
        (["--focus", "--month", "2026-13"], "--month 2026-13: write a month as 2026-10"),
        (["--focus", "--month", "20261101"], "--month 20261101: write a month as 2026-10"),
        (["--focus", "--from", "soon"], "--from soon: write a day as 2026-10-31"),
        (["--focus", "-o", "/nowhere/at/all.csv"], "/nowhere/at/all.csv: cannot be written"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", "export", *words, *ledger_state(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"penstock: {said}")


def test_nothing_entered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "export", "--focus", "--month", "9999-11", *ledger_state(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.startswith("0 rows, 9999-11-01 to 9999-11-30, USD: 0 used")
    assert "nothing is entered yet" in err


def test_another_farm_reads_it_as_a_bill_with_the_same_sums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    state, out = ledger_state(tmp_path / "one", *SPENT, tally("idle", 3, pool="rack")), tmp_path / "focus.csv"
    with (tmp_path / "one" / "farm.toml").open("a") as farm:
        farm.write(GRANT)
    assert (
        run(["costs", "export", "--focus", "-o", str(out), "--from", "2026-10-01", *NOVEMBER[2:], *state])
        == 0
    )
    assert "81.500000 used, 78.500000 billed, -20.000000 credits" in capsys.readouterr().err
    other = ledger_state(tmp_path / "other")
    assert run(["costs", "ingest", str(out), "--json", *other]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (Decimal(told["billed_total"]), Decimal(told["effective_total"])) == (
        Decimal("58.5"),
        Decimal("61.5"),
    )
    assert told["rejected"] == []
    assert {period["first"][:7] for period in told["periods"]} == {"2026-10", "2026-11"}
