"""`penstock costs ingest` and `reconcile`: what they print, what they keep, and how they end."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from billfiles import CUR_SAMPLE, FOCUS_SAMPLE, focus, raw_sum

from penstock.cli.app import run
from penstock.cli.costs import ingesting
from penstock.model.farm import Farm
from penstock.model.ledger import Bill, BillLine, Ledger, Tally
from penstock.model.units import DAY_MS
from penstock.store.sql import SqliteStore

DAY = 19969
RULES = """
[farm]
name = "f"
state = "sqlite:///state/penstock.db"
[platform.linux]
[[pool]]
name = "rented"
provider = "owned"
platforms = ["linux"]
[[billed]]
pool = "rented"
match = { service = "EC2" }
"""
STORED = "nothing was stored"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with a small bill."""
    monkeypatch.chdir(tmp_path)
    Path("bill.csv").write_text(focus({}, {"ServiceName": "S3", "EffectiveCost": "-0.25"}))
    return tmp_path


@pytest.fixture
def state(here: Path) -> Path:
    """A farm that nobody serves, with a day of a ledger."""
    Path("farm.toml").write_text(RULES)
    store = SqliteStore(here / "state" / "penstock.db")
    tally = Tally(
        day=DAY, project="", platform="", pool="rented", klass="", account="direct", outcome="",
        amount_micros=1_000_000,
    )  # fmt: skip
    ledger = Ledger(from_ms=(DAY - 1) * DAY_MS, day=DAY + 1, until_ms=(DAY + 1) * DAY_MS)

    def fill(tx: object) -> None:
        for record in (Farm(id="farm", incarnation="i"), tally, ledger):
            tx.insert(record)  # type: ignore[attr-defined]

    store.write(fill)
    store.close()
    return here / "state"


def kept(state: Path) -> tuple[list[Bill], list[BillLine]]:
    store = SqliteStore(state / "penstock.db")
    try:
        return store.read(lambda tx: (tx.find(Bill, "key"), tx.find(BillLine, "key")))
    finally:
        store.close()


@pytest.mark.parametrize(
    ("sample", "billed", "effective", "rows"),
    [
        (FOCUS_SAMPLE, "BilledCost", "EffectiveCost", 1000),
        (CUR_SAMPLE, "lineItem/UnblendedCost", "lineItem/UnblendedCost", 1281),
    ],
)
def test_without_a_farm_it_is_read_and_added_up(
    here: Path, shared_data: Path, capsys: Captured, sample: str, billed: str, effective: str, rows: int
) -> None:
    file = shared_data / sample
    assert run(["costs", "ingest", str(file), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert list(found) == ["rows", "billed_total", "effective_total", "currency", "periods", "rejected"]
    assert (found["rows"], found["currency"], found["rejected"]) == (rows, "USD", [])
    assert Decimal(found["billed_total"]) == raw_sum(file, billed)
    assert Decimal(found["effective_total"]) == raw_sum(file, effective)
    assert sum(Decimal(one["billed"]) for one in found["periods"]) == Decimal(found["billed_total"])
    assert sum(one["rows"] for one in found["periods"]) == rows
    assert STORED in told.err
    assert sorted(Path().iterdir()) == [Path("bill.csv")]


def test_a_table_for_people(here: Path, capsys: Captured) -> None:
    assert run(["costs", "ingest", "bill.csv"]) == 0
    head, line, every = capsys.readouterr().out.splitlines()
    assert head.split("\t") == ["provider", "account", "first", "end", "rows", "lines", "billed", "effective"]
    assert line.split("\t") == ["AWS", "a1", "2024-09-01", "2024-10-01", "2", "2", "3", "1"]
    assert every.split("\t") == ["all", "", "", "", "2", "2", "3", "1"]


def test_a_statement(here: Path, capsys: Captured) -> None:
    Path("qemu.toml").write_text(
        'currency = "USD"\n[[reading]]\ndate = 2023-06-01\ntotal = 2005\n[[reading]]\ndate = 2023-06-28\ntotal = 2673\n'
    )
    assert run(["costs", "ingest", "qemu.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["billed_total"], found["currency"]) == (2, "2673", "USD")
    assert (found["periods"][0]["account"], found["periods"][0]["first"]) == ("qemu", "2023-01-01")


def test_a_bad_row_is_named_and_nothing_is_kept(state: Path, capsys: Captured) -> None:
    Path("bad.csv").write_text(focus({}, {"BilledCost": "Infinity"}, {"BilledCost": "x"}))
    for more in ([], ["--json"]):
        assert run(["costs", "ingest", "bad.csv", *more]) == 2
        told = capsys.readouterr()
        line = "row 3, column BilledCost: 'Infinity' is not an amount such as 12.50; nothing is loaded; 1 more rows are bad"
        assert told.err == f"penstock: bad.csv: {line}\n"
    found = json.loads(told.out)
    assert (found["rows"], found["billed_total"], found["periods"]) == (0, "0", [])
    assert [(one["row"], one["column"]) for one in found["rejected"]] == [
        (3, "BilledCost"),
        (4, "BilledCost"),
    ]
    assert kept(state) == ([], [])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nothing.csv"], "nothing.csv: no such file or directory"),
        (["bill.csv", "--amortised", "bill.csv"], "bill.csv: is no Azure export; --amortised belongs to"),
        (["bill.csv", "s.toml"], "s.toml: a statement is ingested alone"),
        (["s.toml"], "s.toml:1: there is no [[reading]]"),
        (["bill.csv", "--state", "nowhere"], f"{'{here}'}/nowhere: there is no farm here yet"),
    ],
)
def test_bad_input_is_one_line(here: Path, capsys: Captured, words: list[str], line: str) -> None:
    Path("s.toml").write_text('currency = "USD"\n')
    assert run(["costs", "ingest", *words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert line.format(here=here) in told


def test_with_a_farm_it_is_kept_once(state: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "HERE", ingesting.Size(1, 0))
    for said in ("bills: 1 stored", "bills: 1 known already"):
        assert run(["costs", "ingest", "bill.csv", "--json"]) == 0
        told = capsys.readouterr()
        assert told.err == f"penstock: FOCUS 1.0 to 1.2 as CSV: {said}\n"
        assert json.loads(told.out)["billed_total"] == "3"
    bills, lines = kept(state)
    assert ([bill.effective for bill in bills], len(lines)) == (["1"], 2)


def test_reconciled(state: Path, capsys: Captured) -> None:
    run(["costs", "ingest", "bill.csv"])
    capsys.readouterr()
    assert run(["costs", "reconcile"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "day\tpool\tmetered\tbilled\tresidual\tresidual_percent\tstanding",
        "2024-09-03\trented\t1\t1.25\t0.25\t20.0\talarm",
        "rented: 1 days, residual 0.25 USD, 20.0 %",
        "in no pool: billed -0.25, metered 0.000000 USD",
        "all: billed 1, metered 1.000000 USD",
    ]
    assert told.err == "penstock: 1 rows differ from the bill by more than 5 %\n"
    assert run(["costs", "reconcile", "--month", "2024-09", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["day"], row["residual"]) for row in rows] == [("2024-09-03", "0.25")]
    assert run(["costs", "reconcile", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alarms"] == 1


def test_the_rows_behind_a_figure(state: Path, capsys: Captured) -> None:
    run(["costs", "ingest", "bill.csv"])
    capsys.readouterr()
    assert run(["costs", "reconcile", "--rows", "-", "2024-09-03", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(line["service"], line["file"], line["line"]) for line in found["lines"]] == [
        ("S3", "bill.csv", 3)
    ]
    assert found["entries"] == []
    assert run(["costs", "reconcile", "--rows", "rented", "2024-09-03"]) == 0
    assert "bill.csv\t2\t1\tEC2\ti-1\tsku\teu\tUsage\t1.5\t1.25" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--month", "2024-13"], "month"),
        (["--rows", "rented", "today"], "--rows rented today: write a pool and a day as 2026-10-31"),
        (["--rows", "rented", "2024-09-03", "--csv"], "--csv: two kinds of rows are no table"),
        (["--json", "--csv"], "--json and --csv: write one of them"),
    ],
)
def test_badly_asked(state: Path, capsys: Captured, words: list[str], line: str) -> None:
    assert run(["costs", "reconcile", *words]) == 2
    told = capsys.readouterr().err
    assert (told.count("\n"), line in told) == (1, True)
