"""`penstock costs forecast` of a farm: table, document, CSV, and what only a statement can be asked."""

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

from penstock.cli.app import run
from penstock.model.ledger import Bill, BillLine
from penstock.model.units import DAY_MS
from tests.ledgers import BOOKS, TODAY, direct, ledger_state

FREEZE = '[[calendar]]\nname = "freeze"\nfrom = 2026-12-01\nuntil = 2026-12-08\nfactor = 1.5\n'
DAYS = [direct(10 if back != 3 else 200, day=TODAY - back) for back in range(1, 41)]
OLD = [direct(1, day=TODAY - back, pool="old") for back in range(1, 3)]


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    found = ledger_state(tmp_path, BOOKS, *DAYS, *OLD)
    path = tmp_path / "farm.toml"
    path.write_text(FREEZE + (path.read_text("utf-8") if path.exists() else ""), encoding="utf-8")
    return found


def test_a_table_and_what_is_not_known(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "forecast", *state]) == 0
    out = capsys.readouterr().out
    rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert rows[0] == ["time", "expected", "p10", "p50", "p90"]
    assert [row[0] for row in rows[1:4]] == ["this year", "next year", "2026-11, 21 days"]
    assert "16.785714 USD a day in the last 28 whole days up to 2026-11-09; " in out
    assert "left out: old, not in farm.toml any more; 2.000000 in that time" in out
    assert "unusual: 2026-11-07 cost 200.000000, 10.000000 is usual" in out
    assert "freeze, 2026-12-01 to 2026-12-08: 1.5 times as much" in out
    assert "not known: what was used in 2026 before 2026-10-01: the books begin then" in out


def test_a_new_level_and_bills_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = [direct(10 if back > 14 else 40, day=TODAY - back) for back in range(1, 85)]
    books = msgspec.structs.replace(BOOKS, from_ms=(TODAY - 84) * DAY_MS)
    paid = Bill(
        id="b", provider="cloud", account="1", first=TODAY - 40, end=TODAY - 10, form="focus", currency="USD", billed="10",
        effective="10", rows=1, file="f", digest="d", taken_ms=TODAY * DAY_MS, days_from=TODAY - 40, days_until=TODAY - 10,
    )  # fmt: skip
    line = BillLine(bill="b", day=TODAY - 30, effective="10", pool="burst")
    state = ledger_state(tmp_path, books, *days, paid, line)
    assert run(["costs", "forecast", *state]) == 0
    out = capsys.readouterr().out
    assert (
        "since 2026-10-27 a day costs 40.000000, 10.000000 before: the rate is of days on both sides" in out
    )
    assert "burst: counted as billed on 1 of the days, else as metered" in out
    assert "was metered: days without" not in out


def test_a_document(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "forecast", "--json", "--window-days", "2", *state]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rate_per_day"], found["window_days"], found["block_days"]) == ("10.000000", 2, 7)


def test_what_if(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["costs", "forecast", "--window-days", "2", *state]
    assert run([*words, "--json", "--what-if", "burst=x2.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rate_per_day"], found["what_if"]) == ("25.000000", {"burst": 2.5})
    assert run([*words, "--off", "burst"]) == 0
    out = capsys.readouterr().out
    assert "burst: 10.000000 a day, and 0 times as much from now on" in out
    assert "next year\t0.000000" in out


def test_csv(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "forecast", "--csv", *state]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2 + 14
    assert rows[0]["time"] == "this year"


def test_a_farm_without_books(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "forecast", *ledger_state(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "this year\t-\t-\t-\t-" in out
    assert "not known: everything: no whole day is entered yet" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--what-if", "k8s=x2"], "penstock: pool with costs 'k8s' does not exist"),
        (["--off", "old"], "penstock: old is left out of what is to come: not in farm.toml any more"),
        (["--off", "a,b"], "penstock: "),
        (["--keep-retired"], "penstock: --keep-retired is for statements: name one"),
        (["--credit", "5"], "penstock: --credit is for statements: name one"),
        (["--window-days", "9999"], "penstock: "),
    ],
)
def test_what_is_refused(
    state: list[str], capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert run(["costs", "forecast", *words, *state]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(told)
