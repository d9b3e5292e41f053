"""The threads around leadership and services: what they do about what goes wrong."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.cli import deciding
from penstock.cli.deciding import STUCK_MS, Deciding
from penstock.hub import sessions
from penstock.hub.leader import Leader
from penstock.hub.loop import Services
from penstock.model.farm import Farm
from penstock.model.ledger import Ledger, Meter
from penstock.ports import StoreError
from penstock.store.logs import FolderLogs
from penstock.store.marks import open_marks
from penstock.web.bell import Bell
from penstock.wiring import Parts, SystemClock, open_git
from tests.farms import KEY, TestFarm

LIMIT_S = 20


class Noted:
    """What went wrong, as it is told."""

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self.said = threading.Event()

    def note(self, problem: Exception) -> None:
        self.problems.append(problem)
        self.said.set()


class HangingMarks:
    """Marks beside blobs that answer nobody, until they are let go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def read(self, name: str) -> bytes | None:
        return None

    def write(self, name: str, text: bytes) -> None:
        self.asked.set()
        self.go.wait(LIMIT_S)


Make = Callable[..., tuple[Deciding, Leader, Noted]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A deciding process on a farm in memory, by the machine's own clock."""
    monkeypatch.setattr(deciding, "WATCH_S", 0.02)
    monkeypatch.setattr(deciding, "AGAIN_S", 0.02)
    begun: list[Deciding] = []

    def one(**changes: Any) -> tuple[Deciding, Leader, Noted]:
        farm = TestFarm()
        farm.hub = replace(farm.hub, clock=SystemClock())
        parts = msgspec.structs.replace(parts_of(farm, tmp_path), **changes)
        leader, noted = Leader(farm.hub, alone=parts.alone), Noted()
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


def test_what_happened_is_in_the_books_before_it_stops(make: Make) -> None:
    made, leader, noted = make()
    made.start()
    assert made.begun.wait(LIMIT_S)
    assert leader.term is not None
    hub = leader.term.hub
    asked = sessions.Registration(name="m1", key=KEY)
    machine = sessions.register(hub, sessions.create_token(hub, "own"), asked).machine
    made.stop()
    look = hub.store.read
    assert look(lambda tx: tx.get(Meter, machine.id)) is not None
    ledger, farm = look(lambda tx: (tx.get(Ledger, "ledger"), tx.get(Farm, "farm")))
    assert ledger is not None
    assert farm is not None
    assert ledger.position == farm.position > 0
    assert noted.problems == []


def test_a_process_that_cannot_write_its_last_words_stops_all_the_same(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, noted = make()
    asked = threading.Event()

    def away(self: Services) -> None:
        asked.set()
        raise StoreError("away")

    monkeypatch.setattr(Services, "finish", away)
    made.start()
    assert made.begun.wait(LIMIT_S)
    made.stop()
    assert asked.is_set()
    assert noted.problems == []


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


def test_a_blob_store_that_does_not_answer_holds_up_no_pass(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, right = HangingMarks(), Services.run_once
    passed = threading.Semaphore(0)

    def counted(self: Services, monotonic_ms: int) -> dict[str, int]:
        done = right(self, monotonic_ms)
        if marks.asked.is_set():
            passed.release()
        return done

    monkeypatch.setattr(Services, "run_once", counted)
    made, _, noted = make(marks=marks)
    made.start()
    for _ in range(3):
        assert passed.acquire(timeout=LIMIT_S / 2), "no pass while the mark is written"
    marks.go.set()
    assert noted.problems == []


class Steps:
    """Whether a leader stepped back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.back = threading.Event()
        right = Leader.step_back

        def stepped(leader: Leader, monotonic_ms: int, for_ms: int) -> None:
            right(leader, monotonic_ms, for_ms)
            self.back.set()

        monkeypatch.setattr(Leader, "step_back", stepped)


def failing(
    turns: Callable[[int], bool], enough: threading.Event
) -> Callable[[Services, int], dict[str, int]]:
    """Passes that fail where their number says so; `enough` is set by the twentieth."""
    right, count = Services.run_once, itertools.count(1)

    def run_once(self: Services, monotonic_ms: int) -> dict[str, int]:
        turn = next(count)
        if turn == 20:
            enough.set()
        if turns(turn):
            raise StoreError("this hub does not reach it")
        return right(self, monotonic_ms)

    return run_once


@pytest.mark.parametrize("alone", [True, False])
def test_a_leader_whose_passes_all_fail_steps_back_where_another_may_try(
    make: Make, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    monkeypatch.setattr(deciding, "FAILING_MS", 100)
    monkeypatch.setattr(deciding, "LET_MS", 600_000)
    made, leader, _ = make(alone=alone)
    steps, many = Steps(monkeypatch), threading.Event()
    monkeypatch.setattr(Services, "run_once", failing(lambda turn: True, many))
    made.start()
    assert (many if alone else steps.back).wait(LIMIT_S)
    assert steps.back.is_set() != alone
    assert (leader.term is None) != alone


def test_passes_that_fail_now_and_then_are_no_reason_to_step_back(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "FAILING_MS", 1)
    monkeypatch.setattr(deciding, "PASS_S", 0.01)
    made, _, _ = make(alone=False)
    steps, enough = Steps(monkeypatch), threading.Event()
    monkeypatch.setattr(Services, "run_once", failing(lambda turn: turn % 2 == 1, enough))
    made.start()
    assert enough.wait(LIMIT_S)
    assert not steps.back.is_set()
