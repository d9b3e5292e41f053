"""The hub says after how many jobs an owned machine is cleaned, and takes one out of use that could not be."""

import msgspec
from farms import POOL, RULES, Agent, TestFarm, planned

from penstock.hub import people
from penstock.model.farm import Event
from penstock.model.job import Attempt
from penstock.model.rules import Pool, Rules
from penstock.model.states import Health


def farm_of(**changes: object) -> TestFarm:
    pool: Pool = msgspec.structs.replace(POOL, **changes)
    rules: Rules = msgspec.structs.replace(RULES, pools=(pool,))
    return TestFarm(rules)


def test_uses_of_an_owned_pool_are_jobs_between_two_cleanings() -> None:
    clean = Agent(farm_of(uses=1), "m1", slots=4)
    assert (clean.answer.clean_after, clean.machine.slots) == (1, 1)
    some = Agent(farm_of(uses=3), "m1", slots=2)
    assert (some.answer.clean_after, some.machine.slots) == (3, 2)
    assert Agent(farm_of(), "m1").answer.clean_after == 0
    assert Agent(farm_of(uses=1, provider="local"), "m1").answer.clean_after == 0


def test_a_machine_that_could_not_be_cleaned_is_quarantined_with_the_reason() -> None:
    farm = farm_of(uses=1)
    agent = Agent(farm, "m1")
    agent.poll(draining=True, unclean="the disk is full")
    why = "it could not be cleaned: the disk is full"
    assert (agent.machine.health, agent.machine.health_reason) == (Health.QUARANTINED, why)
    agent.poll(draining=True, unclean="the disk is full")
    assert [one.reason for one in farm.all(Event) if one.state == "alert"] == [f"m1: {why}"]
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert agent.poll().offers == (), "clean or not, people say when it works again"


def test_nothing_is_offered_between_registering_and_the_first_poll_of_a_machine_that_is_not_clean() -> None:
    farm = farm_of(uses=1)
    agent = Agent(farm, "m1")
    agent.registration = msgspec.structs.replace(agent.registration, draining=True, unclean="no disk")
    agent.again()
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert farm.all(Attempt) == []
    assert (agent.machine.health, agent.machine.accepting) == (Health.QUARANTINED, False)
    assert [one.reason for one in farm.all(Event) if one.state == "alert"] == [
        "m1: it could not be cleaned: no disk"
    ]


def test_nothing_is_offered_to_an_agent_that_drains_when_it_registers_again() -> None:
    farm = farm_of()
    agent = Agent(farm, "m1")
    agent.registration = msgspec.structs.replace(agent.registration, draining=True)
    agent.again()
    farm.submit("c1", planned("zlib"))
    farm.tick()
    assert farm.all(Attempt) == []
    agent.poll()
    farm.tick()
    assert len(farm.all(Attempt)) == 1, "it takes jobs as soon as it says so"


def test_who_maintains_a_machine_is_not_told_that_it_is_unclean() -> None:
    agent = Agent(farm_of(uses=1), "m1")
    people.maintain(agent.farm.hub, agent.machine.id, "new disk")
    agent.poll(draining=True, unclean="the disk is full")
    assert agent.machine.health == Health.MAINTENANCE
