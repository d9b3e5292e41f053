"""A database that is older than the farm says so, and a frozen farm stays as it is."""

from pathlib import Path

import msgspec
import pytest
from farms import Agent, TestFarm, passed, planned

from penstock.hub import incarnation, poller, sessions
from penstock.hub.context import Moved, Unauthorized
from penstock.hub.incarnation import MARK, Mark
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt
from penstock.model.machine import Session
from penstock.ports import StoreError
from penstock.store.marks import FolderMarks


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


@pytest.fixture
def marks(tmp_path: Path) -> FolderMarks:
    return FolderMarks(tmp_path / "marks")


def row(farm: TestFarm) -> Farm:
    return farm.get(Farm, "farm")  # type: ignore[no-any-return]


def put_back(farm: TestFarm, old: Farm) -> None:
    """The database as it was then: its row says what it said."""
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(old, version=row_version(tx))))


def row_version(tx) -> int:  # type: ignore[no-untyped-def]
    return int(tx.get(Farm, "farm").version)


def test_a_farm_that_is_not_behind_goes_on(farm: TestFarm, marks: FolderMarks) -> None:
    assert incarnation.check(farm.hub, marks) == ""
    incarnation.note(farm.hub, marks)
    assert incarnation.check(farm.hub, marks) == ""
    farm.tick(5000)
    assert incarnation.check(farm.hub, marks) == ""
    assert not row(farm).frozen


def test_a_database_behind_its_mark_is_frozen_under_a_new_incarnation(
    farm: TestFarm, marks: FolderMarks
) -> None:
    old = row(farm)
    farm.tick(5000)
    incarnation.note(farm.hub, marks)
    put_back(farm, old)
    assert "farm time" in incarnation.check(farm.hub, marks)
    now = row(farm)
    assert (now.frozen, now.adopted) == (True, (old.incarnation,))
    assert now.incarnation != old.incarnation
    assert "older than the farm" in now.frozen_reason


def test_a_database_of_an_incarnation_that_was_left_behind_is_frozen(
    farm: TestFarm, marks: FolderMarks
) -> None:
    uid = row(farm).uid
    newer = Mark(uid=uid, incarnation="later", leader_epoch=0, time_ms=0)
    marks.write(MARK, msgspec.json.encode(newer))
    before = row(farm).incarnation
    assert "later has run since" in incarnation.check(farm.hub, marks)
    assert row(farm).adopted == (before, "later")


def test_once_adopted_it_is_ahead_of_its_mark(farm: TestFarm, marks: FolderMarks) -> None:
    old = row(farm)
    farm.tick(5000)
    incarnation.note(farm.hub, marks)
    put_back(farm, old)
    incarnation.check(farm.hub, marks)
    incarnation.note(farm.hub, marks)
    assert incarnation.read_mark(marks).incarnation == old.incarnation, "a frozen farm writes no mark"
    assert incarnation.adopt(farm.hub)
    assert incarnation.check(farm.hub, marks) == "", "its mark names an incarnation that it adopted"
    incarnation.note(farm.hub, marks)
    assert incarnation.read_mark(marks).incarnation == row(farm).incarnation


def test_the_mark_of_another_farm_says_nothing(farm: TestFarm, marks: FolderMarks) -> None:
    other = Mark(uid="other", incarnation="x", leader_epoch=99, time_ms=10**9)
    marks.write(MARK, msgspec.json.encode(other))
    assert incarnation.check(farm.hub, marks) == ""


def test_a_damaged_mark_is_named(farm: TestFarm, marks: FolderMarks) -> None:
    marks.write(MARK, b"{")
    with pytest.raises(StoreError, match="mark in the blob store is damaged"):
        incarnation.check(farm.hub, marks)


def test_a_farm_is_frozen_and_thawed_by_hand(farm: TestFarm) -> None:
    assert incarnation.freeze(farm.hub, "new disk", "https://new.example")
    assert not incarnation.freeze(farm.hub, "again", "https://new.example")
    assert (row(farm).frozen_reason, row(farm).address) == ("new disk", "https://new.example")
    assert incarnation.adopt(farm.hub)
    assert (row(farm).frozen, row(farm).frozen_reason, row(farm).address) == (False, "", "")
    told = [event.state for event in farm.all(Event) if event.kind == "farm"]
    assert told == ["frozen", "thawed"]


def test_names_of_marks_are_checked(marks: FolderMarks) -> None:
    for name in ("", "../farm", "Farm", "a/b", "a" * 40):
        with pytest.raises(ValueError, match="not the name of a mark"):
            marks.read(name)
    assert marks.read("nobody") is None


def test_nothing_is_accepted_from_agents_of_a_farm_that_has_moved(farm: TestFarm) -> None:
    agent = Agent(farm, "one")
    farm.submit("c1", planned("zlib", "test"))
    farm.tick()
    (work,) = agent.start()
    incarnation.freeze(farm.hub, "moved", "https://new.example")
    before = farm.all(Attempt), farm.all(Session)
    for call in (
        lambda: sessions.authenticate(farm.hub, agent.answer.token),
        lambda: poller.begin_poll(farm.hub, agent.answer.token, poller.Said(call=9)).result(),
        lambda: agent.again(),
    ):
        with pytest.raises(Moved, match=r"moved to https://new\.example"):
            call()
    assert (farm.all(Attempt), farm.all(Session)) == before
    with pytest.raises(Unauthorized):
        sessions.authenticate(farm.hub, "a stranger's")
    assert incarnation.adopt(farm.hub)
    agent.finish(work, passed())
