"""Reports of costs on the command line: tables, documents, CSV, and what is refused."""

import csv
import io
import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from tests.ledgers import SPENT, direct, ledger_state

NOVEMBER = ["--from", "2026-11-01", "--until", "2026-11-10"]


@pytest.fixture
def state(tmp_path: Path) -> list[str]:
    return ledger_state(tmp_path, *SPENT, direct(1, project="=cmd()\x1b[0m"))


def test_a_table(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "report", *NOVEMBER, "--by", "project,month", "--top", "1", *state]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == [
        "project", "month", "direct", "idle", "lifecycle", "overhead", "storage", "egress", "total", "marginal",
        "loaded", "attempts", "passed", "held_s",
    ]  # fmt: skip
    assert [row[0] for row in rows[1:]] == ["core", "3 others", "all"]
    assert rows[-1][8] == rows[-1][10] == "71.500000"
    assert err.startswith(
        "2026-11-01 to 2026-11-10, USD; entered until 2026-11-10 12:00 UTC\nmarginal: what one more"
    )


def test_a_document(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "report", *NOVEMBER, "--by", "branch", "--json", *state]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {line["of"]["branch"] for line in document["rows"]} == {"", "main", "next"}


def test_csv_holds_the_rows_alone_and_no_formula(
    state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", "report", *NOVEMBER, "--csv", *state]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["project"] for row in rows] == ["", "'=cmd()\\x1b[0m", "core", "gui"]
    assert sum(float(row["loaded"]) for row in rows) == pytest.approx(71.5)
    assert err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "--by", "colour"], "--by colour: write some of project, branch, platform"),
        (["report", "--by", "branch,pool"], "--by branch,pool: a branch goes with project, branch, month, day alone"),
        (["report", "--from", "yesterday"], "--from yesterday: write a day as 2026-10-31"),
        (["report", "--from", "2026-10-02", "--until", "2026-10-01"], "--until 2026-10-01 is before --from 2026-10-02"),
        (["report", "--json", "--csv"], "--json and --csv: write one of them"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(
    words: list[str], said: str, state: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["costs", *words, *state]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"penstock: {said}")


def test_nothing_entered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "report", *ledger_state(tmp_path)]) == 0
    assert "nothing is entered yet" in capsys.readouterr().err
