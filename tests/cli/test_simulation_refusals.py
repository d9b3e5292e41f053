"""Bad input of simulations is one clear line, known before anything runs; jobs that nothing starts are told with why."""

from pathlib import Path

import pytest
from histories import FARM, write_history

from penstock.cli.app import run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path / "month.csv", 12, ("linux",))
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")
    return tmp_path


GIVEN = ["--history", "month.csv", "--farm", "farm.toml"]


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("simulate", "--seed -1", "--seed"),
        ("simulate", f"--seed {2**70}", "--seed"),
        ("advise", "--seed -1", "--seed"),
        ("sweep", "--vary policy=penstock --seed -1", "--seed"),
        ("sweep", f"--vary seed={2**70}", "write a whole number from 0 to"),
        ("sweep", "--vary seed=1 --html .", "cannot be written: it is a folder; name a file"),
        ("simulate", "--html away/page.html", "cannot be written: there is no folder away"),
        ("simulate", "--events away/events.jsonl", "cannot be written: there is no folder away"),
        ("advise", "--policy all", "'all'; it stands for several; name one"),
        ("simulate", "--policy jenkin", "did you mean `jenkins`, or a file NAME.toml"),
    ],
)
def test_one_line_and_nothing_left_behind(
    place: Path, capsys: pytest.CaptureFixture[str], command: str, words: str, told: str
) -> None:
    before = sorted(place.iterdir())
    assert run([command, *GIVEN, *words.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert told in err
    assert sorted(place.iterdir()) == before


OWNED = FARM[: FARM.rindex("[[pool]]")]
NOBODY = OWNED.replace("machines = 2", "machines = 0")
BUSY = FARM.replace("machines = 2", "machines = 0")


@pytest.mark.parametrize(
    ("farm", "faults", "why"),
    [
        (NOBODY, "", "pool 'own' may have no machines; write more than 0"),
        (
            BUSY,
            '[[fault]]\nkind = "no_capacity"\n',
            "no machine came for them, and the faults say no_capacity",
        ),
    ],
)
def test_jobs_that_nothing_starts_are_told(
    place: Path, capsys: pytest.CaptureFixture[str], farm: str, faults: str, why: str
) -> None:
    (place / "farm.toml").write_text(farm, encoding="utf-8")
    (place / "faults.toml").write_text(faults, encoding="utf-8")
    assert run(["simulate", *GIVEN, "--faults", "faults.toml"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("penstock: penstock: 12 jobs of 'linux' never started, the first of them '")
    assert err.endswith(f"': {why}\n")
