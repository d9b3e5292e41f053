"""What ends, falls silent or waited too long in great numbers is dealt with in portions, at once one after the other."""

import msgspec
import pytest
from farms import RULES, Agent, TestFarm, planned

from penstock.hub import failing, rescuer
from penstock.hub.fsck import fsck
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import AttemptState, Health, JobState
from penstock.policy import retry
from penstock.ports import Tx

MANY, MOST = 12, 5
RIGHT_MS = RULES.lease.right_ms


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescuer, "MOST", MOST)
    monkeypatch.setattr(rescuer, "SILENCES", MOST)
    monkeypatch.setattr(rescuer, "FIRST", 2)
    monkeypatch.setattr(rescuer, "PAGE", 2)


def crowd(count: int = MANY) -> tuple[TestFarm, list[Agent]]:
    """Machines of one slot, each with an offer."""
    farm = TestFarm()
    agents = [Agent(farm, f"m{number}", slots=1) for number in range(count)]
    farm.submit("c1", *(planned(f"z{number}") for number in range(count)))
    assert farm.tick()["offered"] == count
    return farm, agents


def time_of(farm: TestFarm) -> int:
    return farm.get(Farm, "farm").time_ms


def passes(farm: TestFarm, what: str, passed_ms: int) -> list[int]:
    """How many of these each pass dealt with, while each rang for the next and time stood still."""
    found = []
    while True:
        farm.bell.topics.clear()
        counts = farm.tick(passed_ms)
        found.append(counts[what])
        assert fsck(farm.hub) == []
        if not counts["left"]:
            return found
        assert farm.bell.topics[-1] == "farm"
        passed_ms = 0


def test_offers_that_nobody_took_go_back_in_portions() -> None:
    farm, _ = crowd()
    first = farm.all(Attempt)
    assert passes(farm, "ended", 10_000) == [5, 5, 2]
    assert {farm.get(Attempt, one.id).state for one in first} == {AttemptState.LOST}
    assert {job.attempts for job in farm.all(Job)} == {2}


def test_an_offer_that_is_taken_before_its_turn_is_not_lost() -> None:
    farm, agents = crowd()
    farm.tick(10_000)
    late = [one for one in farm.all(Attempt) if one.n == 1 and one.live]
    assert len(late) == MANY - MOST
    by_id = {agent.machine.id: agent for agent in agents}
    for attempt in late:
        by_id[attempt.machine].start()
    assert passes(farm, "ended", 0) == [0]
    assert {farm.get(Attempt, one.id).state for one in late} == {AttemptState.RUNNING}


def test_rights_end_in_portions_and_what_is_too_many_is_still_known() -> None:
    farm, agents = crowd(40)
    for agent in agents:
        agent.start()
    farm.pass_time(RIGHT_MS - 30_000)
    for agent in agents[8:]:
        agent.poll()  # eight are silent: a fifth, which is not too many
    assert passes(farm, "ended", 30_000) == [5, 3]
    lost = [one for one in farm.all(Attempt) if one.state == AttemptState.LOST]
    assert len(lost) == 8
    farm.pass_time(RIGHT_MS - 60_000)
    for agent in agents[20:]:
        agent.poll()
    assert farm.tick(30_000)["extended"] == 32  # twelve of them at once
    assert passes(farm, "ended", 0) == [0]


def test_jobs_that_waited_too_long_are_given_up_in_portions() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m0")
    farm.submit("c1", planned("runs"), *(planned(f"z{number}", platform="nowhere") for number in range(MANY)))
    farm.tick()
    agent.start()

    def wait_too_long(tx: Tx) -> None:
        for job in tx.find(Job, "open", True):
            tx.replace(msgspec.structs.replace(job, deadline_ms=1))

    farm.store.write(wait_too_long)
    for left in (MANY - MOST, MANY - 2 * MOST, 0):
        assert farm.tick(1000 if left == MANY - MOST else 0)["left"] == bool(left)
        assert sum(job.open for job in farm.all(Job)) == left + 1  # the one that runs goes on


def test_machines_without_a_word_come_before_what_ends_on_them() -> None:
    farm, _ = crowd()
    for _ in range(3):  # the farm lives on while no pass is made
        farm.clock.monotonic += 30_000
        farm.services.keep_time(farm.clock.monotonic)
    seen = []
    for _ in range(20):
        done = farm.tick()
        seen.append((done["suspected"], done["ended"]))
        if not done["left"]:
            break
    assert seen == [(5, 0), (5, 0), (2, 3), (0, 5), (0, 4)]
    assert not any(
        job.state == JobState.OFFERED for job in farm.all(Job)
    )  # nobody was sent where nobody answers


def test_machines_fall_silent_in_portions() -> None:
    farm = TestFarm()
    for number in range(MANY):
        Agent(farm, f"m{number}")
    farm.pass_time(60_000)
    assert passes(farm, "suspected", 30_000) == [5, 5, 2]
    assert {machine.health for machine in farm.all(Machine)} == {Health.SUSPECT}


def test_a_pool_is_read_once_for_all_that_fail_together(monkeypatch: pytest.MonkeyPatch) -> None:
    farm, agents = crowd(40)
    for agent in agents:
        agent.start()
    farm.pass_time(RIGHT_MS - 30_000)
    for agent in agents[4:]:
        agent.poll()
    read: list[int] = []
    record = retry.record
    monkeypatch.setattr(
        failing.retry,
        "record",
        lambda machines, now_ms: read.append(len(machines)) or record(machines, now_ms),
    )
    assert farm.tick(30_000)["ended"] == 4
    # once for those that end, and once in deciding what is placed where
    assert read.count(40) <= 2
    lost = [one for one in farm.all(Attempt) if one.state == AttemptState.LOST]
    assert {one.cause for one in lost} == {"right ended: not renewed in time"}
