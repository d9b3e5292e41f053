"""Ends that are settled where they are recorded, and those that wait for the leader."""

import msgspec
import pytest
from farms import Agent, TestFarm, offered, passed, planned

from penstock.model.farm import Farm
from penstock.model.job import Attempt
from penstock.model.states import AttemptState


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


@pytest.fixture
def agent(farm: TestFarm) -> Agent:
    return Agent(farm, "m1")


def test_an_end_without_uploads_is_settled_at_once(farm: TestFarm, agent: Agent) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    farm.tick()
    (work,) = agent.start()
    assert agent.fail(work).state == AttemptState.FAILED
    assert set(farm.states(build).values()) == {"FAILED", "BLOCKED_DEAD"}
    assert agent.fail(work).state == AttemptState.FAILED, "a repeat gets the first answer"


def test_what_a_passed_job_must_have_made_is_looked_for_by_the_leader(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    agent.take(work)
    assert agent.finish(work, passed()).state == AttemptState.FINISHING
    farm.tick()
    assert farm.get(Attempt, work.attempt.id).cause == "refused by the machine: tree is missing"


def test_a_frozen_farm_records_ends_and_settles_nothing(farm: TestFarm, agent: Agent) -> None:
    work = offered(farm, agent)
    agent.take(work)
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(tx.get(Farm, "farm"), frozen=True)))
    assert agent.fail(work).state == AttemptState.FINISHING


def test_who_reports_an_end_is_not_woken_for_it(farm: TestFarm, agent: Agent) -> None:
    """Else a poll that brings a finish and waits for the next offer would wake itself."""
    work = offered(farm, agent)
    agent.take(work)
    farm.bell.topics.clear()
    agent.fail(work)
    assert farm.bell.topics == ["farm"]
