"""Simulations of next to nothing: one job, one moment, nobody who waits, owned machines alone, nothing that runs in time."""

import json
from pathlib import Path

import pytest
from histories import FARM, write_history

from penstock.cli import simulate
from penstock.cli.app import run
from penstock.cli.simulation.sentences import money_text, percent_text, time_text
from penstock.reports.compare import Limit

OWNED = FARM[: FARM.rindex("[[pool]]")]
RENTED = FARM[: FARM.index("[[pool]]")] + FARM[FARM.rindex("[[pool]]") :]
FREE = OWNED.replace("price_per_hour = 0.02\n", "").replace("machines = 2", "machines = 100")
HISTORIES = {"one.csv": 1, "month.csv": 12}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.setattr(simulate, "limit_of", lambda *given: Limit())
    monkeypatch.chdir(tmp_path)
    for name, jobs in HISTORIES.items():
        write_history(tmp_path / name, jobs, ("linux",))
    return tmp_path


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("farm", [OWNED, RENTED, FREE], ids=["owned", "rented", "free"])
def test_the_smallest_things_have_a_page_and_a_document(
    place: Path, capsys: pytest.CaptureFixture[str], farm: str, history: str
) -> None:
    (place / "farm.toml").write_text(farm, encoding="utf-8")
    words = ["simulate", "--history", history, "--farm", "farm.toml", "--html", "page.html"]
    assert run([*words, "--json"]) == 0
    (policy,) = json.loads(capsys.readouterr().out)["policies"].values()
    assert policy["jobs_finished"] == HISTORIES[history]
    page = (place / "page.html").read_text(encoding="utf-8")
    assert ("There is none: nobody waited." in page) == (policy["wait_s"]["max"] == 0)
    assert "nan" not in page.lower().replace("finance", "")


def test_owned_machines_alone_rent_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "farm.toml").write_text(OWNED, encoding="utf-8")
    assert run(["simulate", "--history", "month.csv", "--farm", "farm.toml"]) == 0
    assert ", none of it rented." in capsys.readouterr().out


def test_a_promise_that_nothing_keeps_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "farm.toml").write_text(RENTED.replace("seconds = 900", "seconds = 1"), encoding="utf-8")
    words = ["--policy", "penstock", "--policy", "jenkins", "--html", "page.html"]
    assert run(["simulate", "--history", "month.csv", "--farm", "farm.toml", *words]) == 0
    out = capsys.readouterr().out
    assert "penstock did not keep the promise: 8.33 % of 12 jobs" in out
    assert "None of them kept the promise." in out
    assert "With none of these numbers" not in (place / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 s"), (0.44, "0.4 s"), (95, "95 s"), (150.26, "150 s"), (900, "15 min"), (7200, "2 h"), (267_840, "3.1 days")],
)  # fmt: skip
def test_lengths_of_time_are_said_as_people_say_them(value: float | None, text: str) -> None:
    assert time_text(value) == text


def test_money_and_shares_are_said_with_what_matters() -> None:
    assert [money_text(amount) for amount in (None, 0, 0.0123, 12.3456, 12345.6)] == [
        "–",
        "0.00",
        "0.0123",
        "12.35",
        "12,345.60",
    ]
    assert (money_text(1, "EUR"), percent_text(None), percent_text(0.12345)) == ("1.00 EUR", "–", "12.3 %")
