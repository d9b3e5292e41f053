"""Which results a sweep may use again, and what is left of it when what ran it is lost."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from histories import FARM, write_history

from penstock.cli.app import run
from penstock.cli.simulation import kept, several

SWEEP = "sweep --history month.csv --farm farm.toml --vary pool.own.machines=0,1,2".split()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path / "month.csv", 12, ("linux",))
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")
    return tmp_path


def test_results_of_other_sources_are_not_used_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.digest_of([place / "month.csv"])
    assert kept.digest_of([place / "month.csv"]) == before
    (place / "policy").mkdir()
    (place / "policy" / "changed.py").write_text("SOON_MS = 1\n", encoding="utf-8")
    monkeypatch.setattr(kept.penstock, "__file__", str(place / "__init__.py"))
    changed = kept.digest_of([place / "month.csv"])
    (place / "policy" / "changed.py").write_text("SOON_MS = 2\n", encoding="utf-8")
    assert len({before, changed, kept.digest_of([place / "month.csv"])}) == 3


def test_every_room_of_figures_is_there() -> None:
    home = Path(kept.penstock.__file__).parent
    assert all((home / room / "__init__.py").is_file() for room in kept.ROOMS)


class Lost:
    """A client of a scheduler that goes away after the first answer."""

    def __init__(self, *given: object, **named: object) -> None:
        self.sent = 0

    def __enter__(self) -> "Lost":
        return self

    def __exit__(self, *why: object) -> None:
        return None

    def scatter(self, data: list[Any], broadcast: bool) -> list[Any]:
        return data

    def submit(self, function: Any, *given: Any, pure: bool) -> SimpleNamespace:
        self.sent += 1
        return SimpleNamespace(key=self.sent, result=lambda: function(*given))


def one_and_no_more(sent: list[SimpleNamespace]) -> Iterator[SimpleNamespace]:
    yield sent[0]
    raise CancelledError("figures_of-1 cancelled for reason: scheduler-connection-lost")


def test_a_lost_scheduler_is_one_line_and_what_ended_is_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        several, "_distributed", lambda: SimpleNamespace(Client=Lost, as_completed=one_and_no_more)
    )
    assert run([*SWEEP, "--dask", "tcp://127.0.0.1:1"]) == 3
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "penstock: --dask tcp://127.0.0.1:1: the scheduler was lost (CancelledError); what has ended is kept,"
        " run the same command again"
    ]
    (results,) = (place / "penstock-sweeps").iterdir()
    assert len(results.read_bytes().splitlines()) == 1
    assert run(SWEEP) == 0
    assert len(results.read_bytes().splitlines()) == 3


def test_no_scheduler_leaves_nothing_behind(place: Path) -> None:
    before = sorted(place.iterdir())
    assert run([*SWEEP, "--dask", "nowhere"]) == 2
    assert sorted(place.iterdir()) == before
