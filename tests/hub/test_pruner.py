"""Uploads that nobody will publish go, all others stay."""

from dataclasses import replace

import msgspec
import pytest

from penstock.hub import pruner, queue
from penstock.model.farm import Farm
from penstock.model.job import Attempt
from penstock.model.states import AttemptState
from penstock.ports import StoreError
from tests.farms import Agent, TestFarm, passed, planned

HOUR_MS = 3_600_000


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def begun(farm: TestFarm, name: str = "zlib") -> tuple[Agent, queue.Work]:
    """An agent at work on a job that has uploaded something."""
    farm.submit(f"c-{name}", planned(name))
    agent = Agent(farm, f"m-{name}")
    farm.tick()
    (work,) = agent.start()
    agent.upload(work, "worktree", b"left behind")
    return agent, work


def prune(farm: TestFarm) -> int:
    return pruner.run_once(farm.leading, 0)["pruned"]


def uploads(farm: TestFarm) -> list[str]:
    return list(farm.blobs.uploads())


def test_nothing_to_do(farm: TestFarm) -> None:
    assert prune(farm) == 0


def test_uploads_of_attempts_that_live_or_wait_to_be_settled_stay(farm: TestFarm) -> None:
    agent, work = begun(farm)
    farm.clock.wall += 30 * 24 * HOUR_MS
    assert prune(farm) == 0
    agent.finish(work, passed(agent.upload(work, "tree", b"built")))
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.FINISHING
    farm.clock.wall += 30 * 24 * HOUR_MS
    assert prune(farm) == 0
    assert uploads(farm) == [f"{work.attempt.id}/tree", f"{work.attempt.id}/worktree"]
    farm.tick()
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.PASSED


def test_what_a_settled_attempt_left_goes_when_it_is_old(farm: TestFarm) -> None:
    agent, work = begun(farm)
    agent.fail(work)
    farm.tick()
    assert uploads(farm) == [], "the settler itself leaves nothing"
    farm.blobs.write(f"{work.attempt.id}/tree", b"late")
    farm.clock.wall += pruner.OLD_MS
    assert prune(farm) == 0
    farm.clock.wall += 1
    assert prune(farm) == 1
    assert uploads(farm) == []


def test_uploads_of_unknown_attempts_go_and_begun_ones_too(farm: TestFarm) -> None:
    _, work = begun(farm)
    farm.blobs.write("nobody/tree", b"x")
    farm.blobs.upload("nobody/artifacts").write(b"half")
    assert prune(farm) == 2
    assert uploads(farm) == [f"{work.attempt.id}/worktree"]


def test_one_pass_does_not_take_all_day(farm: TestFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruner, "MOST", 3)
    for number in range(5):
        farm.blobs.write(f"nobody{number}/tree", b"x")
    assert [prune(farm), prune(farm), prune(farm)] == [3, 2, 0]


def test_a_frozen_farm_removes_nothing(farm: TestFarm) -> None:
    farm.blobs.write("original/tree", b"x")
    farm.store.write(
        lambda tx: tx.replace(
            msgspec.structs.replace(tx.get(Farm, "farm"), frozen=True, frozen_reason="copy")
        )
    )
    assert prune(farm) == 0
    assert uploads(farm) == ["original/tree"]


@pytest.mark.parametrize("problem", [StoreError("away"), OSError(5, "input/output error")])
def test_a_store_that_does_not_answer_is_asked_another_time(farm: TestFarm, problem: Exception) -> None:
    farm.blobs.write("nobody/tree", b"x")

    class Away:
        def uploads(self) -> list[str]:
            raise problem

    hub = replace(farm.leading, blobs=Away())  # type: ignore[arg-type]
    assert pruner.run_once(hub, 0) == {"pruned": 0}
    assert prune(farm) == 1


def test_what_the_settler_could_not_remove_is_pruned(farm: TestFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, work = begun(farm)
    agent.fail(work)

    def away(name: str) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(farm.blobs, "discard", away)
        farm.tick()
    assert farm.get(Attempt, work.attempt.id).state == AttemptState.FAILED
    assert uploads(farm) == [f"{work.attempt.id}/worktree"]
    farm.clock.wall += pruner.OLD_MS + 1
    assert prune(farm) == 1


def test_the_leader_prunes_seldom(farm: TestFarm) -> None:
    farm.pass_time(120_000)
    farm.blobs.write("nobody/tree", b"x")
    farm.tick(1_000)
    assert uploads(farm) == ["nobody/tree"]
    farm.pass_time(60_000)
    assert uploads(farm) == []
