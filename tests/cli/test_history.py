"""`penstock history import`: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import pytest

from penstock.cli.app import run
from penstock.wiring import HISTORIES

HEAD = "job_id,platform,submitted_s,started_s,finished_s,outcome\n"
ROWS = "a,linux,10,20,30,passed\nb,linux,25,20,30,failed\nc,linux,x,20,30,passed\n\x1b[31m,linux,10,20,5,passed\n"

DROPPED = "dropped: 1 not a number where a number belongs, 1 ended before it began"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small history in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("source.csv")
    path.write_text(HEAD + ROWS)
    return path


def test_the_report_as_a_table(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "import", "normal", str(source), "-o", "out.jsonl", "--report"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "what\trows\twhy\tfor example",
        "read\t4\t\t",
        "kept\t2\t\t",
        "dropped\t1\tnot a number where a number belongs\tsource.csv:4: 'x'",
        "dropped\t1\tended before it began\tsource.csv:5",
        "mended\t1\tbegan before it was submitted: taken as submitted when it began\tsource.csv:3",
    ]
    assert told.err == f"out.jsonl: 2 of 4 rows; {DROPPED}\n"
    assert [json.loads(line)["job_id"] for line in Path("out.jsonl").read_text().splitlines()] == ["a", "b"]


def test_the_report_as_a_document(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for report in ([], ["--report"]):
        assert run(["history", "import", "normal", str(source), "-o", "out.csv", "--json", *report]) == 0
        told = capsys.readouterr()
        document = json.loads(told.out)
        assert (document["read"], document["kept"], sum(document["dropped"].values())) == (4, 2, 2)
        assert document["examples"].keys() == document["dropped"].keys() | document["mended"].keys()


def test_without_a_report_only_the_totals_are_said(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "import", "normal", str(source), "-o", "out.csv"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"out.csv: 2 of 4 rows; {DROPPED}\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nagios", "source.csv"], f"FORMAT: no format 'nagios'; one of {', '.join(HISTORIES)}"),
        (["swf", "nothing.swf"], "nothing.swf: no such file or directory"),
        (["swf", "."], ".: is a directory"),
        (
            ["gitlab", "source.csv"],
            "source.csv: none of 5 rows can be kept (5 a line that is not JSON); is the FORMAT the right one?",
        ),
        (["github-actions", "source.csv"], "source.csv:1: no column 'repo'; it has repo, id_build, branch, "),
        (
            ["buildbot", "source.csv"],
            "source.csv: not the database of a Buildbot master (file is not a database)",
        ),
        (
            ["normal", "source.csv", "-o", "out.txt"],
            "out.txt: the file name does not say its form; use .csv, ",
        ),
        (
            ["normal", "source.csv", "-o", "no/out.csv"],
            "no/out.csv: cannot be written: no such file or directory",
        ),
        (["normal", "source.csv", "-o", "folder.csv"], "folder.csv: cannot be written: is a directory"),
    ],
)
def test_bad_input_is_one_line(
    source: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    Path("folder.csv").mkdir()
    given = words if "-o" in words else [*words, "-o", "out.csv"]
    status = run(["history", "import", *given])
    told = capsys.readouterr().err
    assert (status, told.count("\n")) == (2, 1)
    assert told.startswith(f"penstock: {line}")
    assert sorted(path.name for path in Path().iterdir()) == ["folder.csv", "source.csv"]


def test_a_file_may_take_its_own_place(source: Path) -> None:
    assert run(["history", "import", "normal", str(source), "-o", str(source)]) == 0
    assert source.read_text().splitlines()[1:] == [
        "a,,,,,linux,10,20,30,passed,,,,,",
        "b,,,,,linux,20,20,30,failed,,,,,",
    ]
