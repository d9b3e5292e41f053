"""What people may do to jobs and machines."""

import pytest
from farms import Agent, TestFarm, planned

from penstock.hub import people
from penstock.hub.context import NotFound, Refused
from penstock.hub.fsck import fsck
from penstock.model.artifact import Module
from penstock.model.job import Attempt
from penstock.model.states import Health, ModuleState, Power


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


@pytest.fixture
def agent(farm: TestFarm) -> Agent:
    return Agent(farm, "m1")


def test_nothing_is_found_under_an_unknown_id(farm: TestFarm) -> None:
    for act in (
        lambda: people.cancel(farm.hub, "x"),
        lambda: people.hold(farm.hub, "x", "y"),
        lambda: people.release(farm.hub, "x"),
        lambda: people.quarantine(farm.hub, "x", "y"),
        lambda: people.drain(farm.hub, "x"),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_held_job_waits_for_its_release(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    zlib = farm.job(build, "zlib:build")
    assert people.hold(farm.hub, zlib.id, "the release is frozen")
    assert not people.hold(farm.hub, zlib.id, "again")
    assert farm.get(Module, "untrusted", zlib.key).state == ModuleState.COLLECTED
    farm.tick()
    assert agent.poll().offers == ()
    assert people.release(farm.hub, zlib.id)
    assert not people.release(farm.hub, zlib.id)
    farm.run_all(agent)
    assert farm.verdict(build) == "PASSED"


def test_a_held_offer_goes_back(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.poll().offers[0]
    assert people.hold(farm.hub, work.job.id, "wait")
    assert agent.machine.busy == ()
    assert farm.get(Attempt, work.attempt.id).state == "CANCELLED"
    assert farm.states(build) == {"zlib:build": "held"}
    assert fsck(farm.hub) == []


def test_a_held_child_is_released_where_its_parents_are(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit(
        "c1", planned("zlib"), planned("png", needs=["zlib"]), planned("tiff", needs=["zlib"])
    )
    png, tiff = farm.job(build, "png:build"), farm.job(build, "tiff:build")
    people.hold(farm.hub, png.id, "wait")
    people.hold(farm.hub, tiff.id, "wait")
    people.release(farm.hub, tiff.id)
    assert farm.job(build, "tiff:build").state == "blocked"
    farm.run_all(agent)
    assert farm.states(build) == {"zlib:build": "PASSED", "png:build": "held", "tiff:build": "PASSED"}
    people.release(farm.hub, png.id)
    farm.run_all(agent)
    assert farm.verdict(build) == "PASSED"


def test_a_held_child_of_a_dead_parent_is_dead(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    people.hold(farm.hub, farm.job(build, "png:build").id, "wait")
    people.cancel(farm.hub, farm.job(build, "zlib:build").id)
    assert farm.states(build)["png:build"] == "BLOCKED_DEAD"


def test_a_released_job_takes_what_was_made_meanwhile(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", planned("zlib")), farm.submit("c2", planned("zlib"))
    producer = farm.job(first, "zlib:build")
    people.hold(farm.hub, producer.id, "wait")
    assert farm.states(second) == {"zlib:build": "queued"}
    farm.run_all(agent)
    people.release(farm.hub, producer.id)
    assert farm.states(first) == {"zlib:build": "REUSED"}


def test_holding_a_waiter_lets_an_unwanted_producer_end(farm: TestFarm, agent: Agent) -> None:
    first, second = farm.submit("c1", planned("zlib")), farm.submit("c2", planned("zlib"))
    farm.tick()
    agent.start()
    people.cancel(farm.hub, first.id)
    agent.again()  # it has forgotten what it ran: the job is queued again, for those that wait for its key
    with pytest.raises(Refused, match="given up by its build"):
        people.hold(farm.hub, farm.job(first, "zlib:build").id, "wait")
    people.hold(farm.hub, farm.job(second, "zlib:build").id, "wait")
    assert farm.states(first) == {"zlib:build": "CANCELLED"}
    people.release(farm.hub, farm.job(second, "zlib:build").id)
    assert farm.states(second) == {"zlib:build": "queued"}


def test_what_runs_cannot_be_held(farm: TestFarm, agent: Agent) -> None:
    farm.submit("c1", planned("zlib"))
    farm.tick()
    work = agent.start()[0]
    with pytest.raises(Refused, match="only what has not started"):
        people.hold(farm.hub, work.job.id, "wait")


def test_a_quarantined_machine_gets_nothing_new(farm: TestFarm, agent: Agent) -> None:
    assert people.quarantine(farm.hub, agent.machine.id, "odd noises")
    assert not people.quarantine(farm.hub, agent.machine.id, "again")
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert agent.poll().offers == ()
    assert people.unquarantine(farm.hub, agent.machine.id)
    assert not people.unquarantine(farm.hub, agent.machine.id)
    farm.tick()
    assert len(agent.poll().offers) == 1


def test_a_machine_in_maintenance_is_not_quarantined(farm: TestFarm, agent: Agent) -> None:
    assert people.maintain(farm.hub, agent.machine.id, "new disk")
    with pytest.raises(Refused, match="cannot become quarantined"):
        people.quarantine(farm.hub, agent.machine.id, "odd")
    assert people.unquarantine(farm.hub, agent.machine.id)
    assert agent.machine.health == Health.UNKNOWN


def test_a_draining_machine_ends_what_it_runs(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    farm.tick()
    work = agent.start()[0]
    assert people.drain(farm.hub, agent.machine.id)
    assert not people.drain(farm.hub, agent.machine.id)
    assert agent.poll().drain
    agent.run(work)
    farm.tick()
    assert agent.poll().offers == ()
    assert farm.states(build) == {"zlib:build": "PASSED", "png:build": "queued"}
    assert people.undrain(farm.hub, agent.machine.id)
    assert not people.undrain(farm.hub, agent.machine.id)
    assert agent.machine.power == Power.UP
    farm.run_all(agent)
    assert farm.verdict(build) == "PASSED"
