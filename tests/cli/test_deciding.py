"""The threads around leadership and services: what they do about what goes wrong."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.cli import deciding
from penstock.cli.deciding import STUCK_MS, Deciding
from penstock.hub.leader import Leader
from penstock.hub.loop import Services
from penstock.ports import StoreError
from penstock.store.logs import FolderLogs
from penstock.store.marks import open_marks
from penstock.web.bell import Bell
from penstock.wiring import Parts, SystemClock, open_git
from tests.farms import TestFarm

LIMIT_S = 20


class Noted:
    """What went wrong, as it is told."""

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self.said = threading.Event()

    def note(self, problem: Exception) -> None:
        self.problems.append(problem)
        self.said.set()


Make = Callable[[], tuple[Deciding, Leader, Noted]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A deciding process on a farm in memory, by the machine's own clock."""
    monkeypatch.setattr(deciding, "WATCH_S", 0.02)
    monkeypatch.setattr(deciding, "AGAIN_S", 0.02)
    begun: list[Deciding] = []

    def one() -> tuple[Deciding, Leader, Noted]:
        farm = TestFarm()
        farm.hub = replace(farm.hub, clock=SystemClock())
        parts = parts_of(farm, tmp_path)
        leader, noted = Leader(farm.hub, alone=True), Noted()
        made = Deciding(parts, leader, Bell(), noted.note)
        begun.append(made)
        return made, leader, noted

    yield one
    for made in begun:
        made.stop()


def parts_of(farm: TestFarm, folder: Path) -> Parts:
    return Parts(
        farm.hub, FolderLogs(folder / "logs"), open_git(folder), folder, open_marks("file:marks", folder)
    )


def test_services_run_when_it_leads_and_a_failing_pass_is_told_and_tried_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, noted = make()
    right = Services.run_once
    fails = threading.Event()

    def sometimes(self: Services, monotonic_ms: int) -> dict[str, int]:
        if not fails.is_set():
            fails.set()
            raise StoreError("away")
        return right(self, monotonic_ms)

    monkeypatch.setattr(Services, "run_once", sometimes)
    made.start()
    assert noted.said.wait(LIMIT_S)
    assert str(noted.problems[0]) == "away"
    assert made.begun.wait(LIMIT_S)
    assert made.leads
    assert made.opened is not None


def test_a_leader_that_was_replaced_watches_and_its_local_agents_are_to_end(make: Make) -> None:
    made, leader, noted = make()
    made.start()
    assert made.begun.wait(LIMIT_S)
    term = leader.term
    assert term is not None
    leader.lost(term)
    assert made.opened is not term
    assert noted.problems == []


def test_a_pass_that_hangs_silences_the_leader(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = make()
    inside, go = threading.Event(), threading.Event()

    def hangs(self: Services, monotonic_ms: int) -> dict[str, int]:
        inside.set()
        go.wait(LIMIT_S)
        return {}

    monkeypatch.setattr(Services, "run_once", hangs)
    made.start()
    assert inside.wait(LIMIT_S)
    assert not made.stuck()
    with monkeypatch.context() as later:
        later.setattr(deciding, "STUCK_MS", -1)
        assert made.stuck()
    go.set()
    assert STUCK_MS > 60_000
