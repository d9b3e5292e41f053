"""Machines that leave the farm for good: what runs there ends first, then an owned one is gone and a rented one given back."""

import msgspec
import pytest
from farms import Agent, TestFarm, planned
from renting import Rented

from penstock.hub import queue, sessions
from penstock.hub.context import NotFound, Refused, Unauthorized
from penstock.hub.fsck import fsck
from penstock.hub.retiring import retire
from penstock.model.ledger import Meter
from penstock.model.machine import Credential, Machine
from penstock.model.states import Health, JobState, Power


@pytest.fixture
def owned() -> tuple[TestFarm, Agent]:
    farm = TestFarm(books=True)
    agent = Agent(farm, "m1")
    farm.tick(1000)
    return farm, agent


def test_an_idle_machine_is_gone_at_once_and_costs_nothing_more(owned: tuple[TestFarm, Agent]) -> None:
    farm, agent = owned
    farm.tick(1000)
    assert farm.get(Meter, agent.machine.id) is not None
    assert retire(farm.hub, agent.machine.id, "retired by ada: its fan")
    gone = farm.get(Machine, agent.machine.id)
    assert (gone.power, gone.health, gone.power_reason) == (
        Power.GONE,
        Health.RETIRED,
        "retired by ada: its fan",
    )
    farm.tick(1000)
    assert farm.get(Meter, gone.id) is None
    assert fsck(farm.hub) == []


def test_what_runs_ends_first_and_nothing_more_begins(owned: tuple[TestFarm, Agent]) -> None:
    farm, agent = owned
    build = farm.submit("c1", planned("zlib"), planned("png"), planned("jpeg"))
    farm.tick(1000)
    works = agent.start()
    assert len(works) == 2
    assert retire(farm.hub, agent.machine.id, "old")
    farm.tick(1000)
    assert farm.get(Machine, agent.machine.id).power == Power.DRAINING
    for work in works:
        agent.run(work)
        farm.tick(1000)
    assert farm.get(Machine, agent.machine.id).power == Power.GONE
    assert sorted(farm.states(build).values()) == [JobState.PASSED, JobState.PASSED, JobState.QUEUED]


def test_its_agent_cannot_come_back(owned: tuple[TestFarm, Agent]) -> None:
    farm, agent = owned
    retire(farm.hub, agent.machine.id, "old")
    with pytest.raises(Unauthorized):
        agent.again()
    assert farm.all(Credential) == [] or all(one.revoked for one in farm.all(Credential))


def test_a_rented_machine_is_given_back_when_its_job_has_ended() -> None:
    farm = Rented()
    who, attempt = farm.started()
    assert retire(farm.hub, attempt.machine, "retired by ada")
    farm.tick(5000)
    assert farm.get(Machine, attempt.machine).power == Power.DRAINING
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(1000)
    assert farm.get(Machine, attempt.machine).power == Power.DELETING
    assert farm.until(Power.GONE, 60).power_reason
    assert farm.provider.up() == {}


def test_a_rented_machine_that_is_still_coming_is_not_let_in_and_given_back() -> None:
    farm = Rented()
    farm.submit("c1", planned("zlib"))
    coming = farm.until(Power.BOOTING)
    assert retire(farm.hub, coming.id, "by mistake ordered")
    farm.until(Power.REGISTERING)
    order = next(iter(farm.provider.up().values()))
    with pytest.raises(Unauthorized):
        sessions.register(farm.hub, order.secret, sessions.Registration(name="any", key="ab" * 32, slots=1))
    for _ in range(600):
        farm.tick(1000)
    assert farm.get(Machine, coming.id).power == Power.GONE


def test_twice_changes_nothing_and_what_is_not_there_is_refused(owned: tuple[TestFarm, Agent]) -> None:
    farm, agent = owned
    farm.submit("c1", planned("zlib"))
    farm.tick(1000)
    agent.start()
    assert retire(farm.hub, agent.machine.id, "old")
    assert not retire(farm.hub, agent.machine.id, "old")
    with pytest.raises(NotFound):
        retire(farm.hub, "m9", "old")
    other = Agent(farm, "m2")
    retire(farm.hub, other.machine.id, "old")
    with pytest.raises(Refused, match="gone already"):
        retire(farm.hub, other.machine.id, "old")


def test_one_that_came_to_rest_on_its_way_leaves_later() -> None:
    farm = Rented()
    farm.idle()
    asleep = farm.until(Power.SUSPENDED)
    waking = msgspec.structs.replace(asleep, power=Power.RESUMING, called=True)
    farm.hub.store.write(lambda tx: tx.replace(waking))
    assert retire(farm.hub, asleep.id, "old")
    refused = msgspec.structs.replace(farm.get(Machine, asleep.id), power=Power.SUSPENDED)
    farm.hub.store.write(lambda tx: tx.replace(refused))
    for _ in range(4):
        farm.tick(30_000)
    assert farm.get(Machine, asleep.id).power in (Power.DELETING, Power.GONE)
