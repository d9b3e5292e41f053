"""Reports of costs on the command line: tables, documents, CSV, and what is refused."""

import csv
import io
import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.cli.costs import entries_command
from tests.ledgers import SPENT, TODAY, cost, direct, entry, foot, ledger_state

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


def test_builds(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "builds", *NOVEMBER, *state]) == 0
    out, err = capsys.readouterr()
    units, dearest = ([line.split("\t") for line in part.splitlines()] for part in out.split("\n\n"))
    assert units[1] == ["core", "1", "1", "35.000000", *["35.000000"] * 4, "54.402174"]
    assert units[2][:5] == ["gui", "1", "0", "8.000000", "-"]
    assert [row[0] for row in dearest] == ["build", "b1", "b2"]
    assert "mean, p50, p90: of builds that passed" in err
    assert run(["costs", "builds", *NOVEMBER, "--csv", "--top", "1", *state]) == 0
    assert [row["build"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["b1"]


def test_one_build(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "builds", "b1", *state]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("job\tn\tattempt\tpool")
    assert "attempts of b1 that ended cost 0.000000 USD\n" in err
    assert "penstock costs entries --build b1" in err
    assert run(["costs", "builds", "b1", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["entered"]["amount"] == "35.000000"


def test_entries_in_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries_command, "A_PAGE", 2)
    rows = [entry("direct", 1, build="b1", attempt=f"a{n}", klass="change") for n in range(5)]
    state = ledger_state(tmp_path, *rows, entry("idle", 2), entry("idle", 2, day=TODAY - 1))
    assert run(["costs", "entries", "--build", "b1", *state]) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[10] for line in out.splitlines()[1:]] == ["a0", "a1", "a2", "a3", "a4"]
    assert err == "5 entries, 5.000000 USD\n"
    assert run(["costs", "entries", "--build", "b1", "--limit", "3", *state]) == 0
    assert capsys.readouterr().err == "3 entries, 3.000000 USD; there are more: --limit\n"
    assert run(["costs", "entries", "--day", "2026-11-10", "--where", "account=idle", "--json", *state]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["entries"]), document["amount"], document["more"]) == (1, "2.000000", False)
    assert run(["costs", "entries", "--where", "class=change", "--attempt", "a3", "--csv", *state]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_waste(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["costs", "waste", *NOVEMBER, *state]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[3].startswith("lost\t5.000000\t0.06993\tattempts that the farm lost")
    assert err == "2026-11-01 to 2026-11-10: 71.500000 USD spent in all\n"


def test_movers(state: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    days = ["--from", "2026-11-10", "--until", "2026-11-10", "--before", "2026-10-31", "--top", "2"]
    assert run(["costs", "movers", *days, *state]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[1] == [
        "core",
        "8.000000",
        "35.000000",
        "27.000000",
        "27.000000",
        "0.000000",
        "0.000000",
        "quantity",
    ]
    assert rows[2][-1] == "new"
    assert "beside 2026-10-31 to 2026-10-31: 63.500000 USD; 2 others changed, too" in err
    assert run(["costs", "movers", *days[:4], "--by", "pool,project", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["before"] == {"since": "2026-11-09", "until": "2026-11-09"}


def test_rightsize(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ledger_state(tmp_path, *SPENT, foot("zlib:build"), foot("png:build", attempts=3))
    assert run(["costs", "rightsize", "--until", "2026-11-10", *state]) == 0
    out, err = capsys.readouterr()
    jobs, pools = ([line.split("\t") for line in part.splitlines()] for part in out.split("\n\n"))
    assert jobs[1][1:] == [
        "zlib:build", "linux", "20", "4", "1.507", "2", "8192", "1020", "1020", "1280", "10.000000", "5.000000", "-",
    ]  # fmt: skip
    assert jobs[2][-1] == "fewer than 20 attempts"
    assert [row[0] for row in pools] == ["pool", "rack", "burst"]
    assert "smaller sizes would have saved up to 5.000000 USD\n" in err
    assert "recommended: used and 20 %, of memory never less than was seen" in err
    assert (
        run(
            ["costs", "rightsize", "--until", "2026-11-10", "--days", "1", "--margin", "200", "--csv", *state]
        )
        == 0
    )
    assert [row["cores"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["", "4"]


def test_compare_prints_what_a_checkin_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mozilla's figures of 2013, in which in-house machines cost nothing, which is said."""
    lines = {"desktop": 11.93, "fennec": 5.31, "b2g": 13.36}
    builds = [
        cost(f"{c}{name}", price, project=name, commit=c) for c in "abc" for name, price in lines.items()
    ]
    in_house = direct(0, pool="rack", quantity=3_600_000)
    state = ledger_state(tmp_path, *builds, direct(91.8), in_house)
    assert run(["costs", "compare", *NOVEMBER, *state]) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[0::3] for line in out.splitlines()] == [
        ["project", "each"], ["b2g", "13.360000"], ["desktop", "11.930000"], ["fennec", "5.310000"], ["all", "30.600000"],
    ]  # fmt: skip
    assert "warning: machines of rack have no price: what they cost is in none of these figures\n" in err


def test_compare_two_pools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = {"final": True, "outcome": "PASSED", "name": "zlib:build", "platform": "linux", "project": "core"}
    runs = [
        entry("direct", 2, attempt=f"{pool}{n}", build=f"b{n}", pool=pool, **about)
        for n in range(2) for pool in ("rack", "burst")
    ]  # fmt: skip
    state = ledger_state(tmp_path, *runs, cost("b0", 4, commit="c"), cost("b1", 4, commit="d"))
    assert run(["costs", "compare", *NOVEMBER, "--pools", "rack,burst", *state]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == "rack\t2\t2.000000\t2.000000\t-\t-\t-\t-"
    assert err.startswith("2 pairs: the same jobs of the same commits, which passed in both\n")
    assert run(["costs", "compare", *NOVEMBER, "--csv", *state]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["compared"], row["like_for_like"], row["pool"]) for row in rows] == [
        ("burst+rack", "True", "burst"), ("burst+rack", "True", "rack"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "--by", "colour"], "--by colour: write some of project, branch, platform"),
        (["report", "--by", "branch,pool"], "--by branch,pool: a branch goes with project, branch, month, day alone"),
        (["report", "--from", "yesterday"], "--from yesterday: write a day as 2026-10-31"),
        (["report", "--from", "2026-10-02", "--until", "2026-10-01"], "--until 2026-10-01 is before --from 2026-10-02"),
        (["builds", "nope"], "build 'nope' does not exist"),
        (["builds", "b1", "--from", "2026-11-01"], "--from and --until choose among builds"),
        (["entries", "--day", "2026-11-01", "--from", "2026-11-01"], "--day is one day: leave out"),
        (["entries", "--where", "colour=red"], "--where colour=red: write NAME=VALUE, NAME one of project, branch"),
        (["entries", "--where", "pool"], "--where pool: write NAME=VALUE"),
        (["compare", "--pools", "own"], "--pools own: write two pools or more, as own,burst"),
        (["movers", "--by", "month"], "--by month: write some of project, platform, pool, class, outcome"),
        (["movers", "--before", "then"], "--before then: write a day as 2026-10-31"),
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
