"""A pool that a person stops: nothing starts there, what runs goes on, jobs go elsewhere or wait, and back."""

import msgspec
import pytest
from farms import POOL, Agent, TestFarm, planned
from farms import RULES as OWNED
from renting import RULES, Rented

from penstock.hub import people, pools, queue
from penstock.hub.context import NotFound
from penstock.hub.explain import explain
from penstock.model.curb import Stopped
from penstock.model.farm import Event
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.rented import Listing, Order
from penstock.model.rules import Waiting
from penstock.model.states import Health, JobState, Power
from penstock.ports import NoAnswer, QuotaReached

HASTY = msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=200_000_000))


@pytest.fixture
def farm() -> Rented:
    farm = Rented(HASTY)
    farm.tick(6000)
    return farm


def test_nothing_is_rented_for_a_stopped_pool_and_the_job_says_why(farm: Rented) -> None:
    assert pools.stop_pool(farm.hub, "burst", "stopped by ada: the bill")
    farm.submit("c1", planned("zlib"))
    for _ in range(60):
        farm.tick(10_000)
    assert farm.all(Machine) == []
    (job,) = farm.all(Job)
    said = " ".join(explain(farm.hub, job.id).sentences)
    assert "Pool burst is stopped since 10 min: stopped by ada: the bill" in said
    assert "penstock pools start burst" in said
    assert pools.start_pool(farm.hub, "burst", "started by ada")
    farm.until(Power.BOOTING)


def test_what_runs_goes_on_and_its_machine_is_given_back(farm: Rented) -> None:
    who, attempt = farm.started()
    pools.stop_pool(farm.hub, "burst", "stopped by ada")
    farm.submit("c2", planned("later"))
    farm.tick(30_000)
    assert farm.get(Machine, attempt.machine).busy == (0,)
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    for _ in range(2000):
        farm.tick(1000)
    assert {one.power for one in farm.all(Machine)} <= {Power.SUSPENDED, Power.GONE}
    assert JobState.QUEUED in {one.state for one in farm.all(Job)}


def test_jobs_go_to_the_next_pool_that_takes_them() -> None:
    other = msgspec.structs.replace(POOL, name="other")
    farm = TestFarm(msgspec.structs.replace(OWNED, pools=(POOL, other)))
    first, second = Agent(farm, "m1"), Agent(farm, "m2", pool="other")
    pools.stop_pool(farm.hub, POOL.name, "stopped by ada")
    farm.submit("c1", planned("a"))
    farm.tick(1000)
    assert [len(one.poll().offers) for one in (first, second)] == [0, 1]


def test_stopping_twice_and_starting_what_runs_change_nothing(farm: Rented) -> None:
    assert pools.stop_pool(farm.hub, "burst", "one")
    assert not pools.stop_pool(farm.hub, "burst", "two")
    assert farm.get(Stopped, "burst").reason == "one"
    assert pools.start_pool(farm.hub, "burst", "three")
    assert not pools.start_pool(farm.hub, "burst", "four")
    told = [one.reason for one in farm.all(Event) if one.state == "pool"]
    assert told == ["pool burst is stopped: one", "pool burst is used again: three"]


@pytest.mark.parametrize("act", [pools.stop_pool, pools.start_pool])
def test_a_pool_that_there_is_not_is_not_found(farm: Rented, act) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotFound, match="pool 'nowhere' does not exist"):
        act(farm.hub, "nowhere", "why")


def test_how_pools_stand(farm: Rented) -> None:
    farm.started()
    pools.stop_pool(farm.hub, "burst", "the bill")
    farm.tick(30_000)
    (line,) = pools.pools_view(farm.hub)["pools"]
    assert line["machines"]["up"] == 1
    assert (line["running"], line["stopped"], line["reason"]) == (1, True, "the bill")
    assert line["stopped_for_s"] == 30.0


def test_a_pool_that_left_farm_toml_stops_nothing(farm: Rented) -> None:
    pools.stop_pool(farm.hub, "burst", "the bill")
    renamed = msgspec.structs.replace(HASTY.pools[0], name="burst2")
    farm.with_rules(msgspec.structs.replace(HASTY, pools=(renamed,)))
    farm.submit("c1", planned("zlib"))
    farm.tick(6000)
    assert "is stopped" not in " ".join(explain(farm.hub, farm.all(Job)[0].id).sentences)


class TestTrusting:
    def suspected(self) -> tuple[TestFarm, list[Agent]]:
        """A pool of which four machines of five refused what they were offered."""
        farm = TestFarm()
        agents = [Agent(farm, f"m{n}", slots=1) for n in range(5)]
        farm.submit("c1", *(planned(f"z{n}") for n in range(4)))
        farm.tick()
        for agent in agents:
            for work in agent.start():
                agent.finish(work, queue.Ending(result="refused", cause="no network"))
        farm.pass_time(60_000)
        return farm, agents

    def test_a_pool_that_failed_together_takes_jobs_again_when_a_person_says_so(self) -> None:
        farm, agents = self.suspected()
        assert farm.tick()["offered"] == 0
        job = farm.all(Job)[0]
        said = " ".join(explain(farm.hub, job.id).sentences)
        assert "pool own: 4 of its 5 machines failed within 10 min (m0, m1, m2 and 1 more)" in said
        assert "nothing starts there for 9 min more" in said
        assert "penstock pools trust own" in said
        assert pools.trust_pool(farm.hub, "own", "trusted again by ada: the switch had no power")
        for agent in agents:
            agent.poll()
        assert farm.tick()["offered"] == 4
        told = [one.reason for one in farm.all(Event) if one.state == "pool"]
        assert told == ["pool own: its machines are trusted again by ada: the switch had no power"]
        about = [one for one in farm.all(Event) if one.kind == "machine" and "ada" in one.reason]
        assert len(about) == 4

    def test_nothing_changes_where_nothing_was_suspected(self) -> None:
        farm = TestFarm()
        Agent(farm, "m1")
        assert not pools.trust_pool(farm.hub, "own", "trusted again by ada")
        with pytest.raises(NotFound):
            pools.trust_pool(farm.hub, "none", "")

    def test_machines_that_are_out_of_use_for_other_reasons_stay_so(self) -> None:
        farm, agents = self.suspected()
        people.quarantine(farm.hub, agents[0].machine.id, "smoke")
        assert pools.trust_pool(farm.hub, "own", "trusted again by ada")
        assert (agents[0].machine.health, agents[0].machine.blamed) == (Health.QUARANTINED, ())


def notes(farm: TestFarm, pool: str) -> dict[str, str]:
    """What the list of pools says of one, by code."""
    line = next(one for one in pools.pools_view(farm.hub)["pools"] if one["name"] == pool)
    return {one["code"]: one["text"] for one in line["notes"]}


def test_the_list_says_what_explanations_say(farm: Rented) -> None:
    """Of stops, of a provider that refuses, and of one that does not answer."""
    assert notes(farm, "burst") == {}

    def refuses(order: Order) -> str:
        raise QuotaReached("you may have no more of these")

    def away() -> Listing:
        raise NoAnswer("the network is down")

    farm.provider.create = refuses  # type: ignore[method-assign]
    farm.submit("c1", planned("zlib"))
    farm.until(Power.GONE)
    farm.provider.list = away  # type: ignore[method-assign]
    pools.stop_pool(farm.hub, "burst", "stopped by ada: the bill")
    for _ in range(12):
        farm.tick(10_000)
    (job,) = farm.all(Job)
    explained = {
        one.code: one.text for one in explain(farm.hub, job.id).reasons if one.subject == "pool burst"
    }
    said = notes(farm, "burst")
    assert "you may have no more of these; the next is made in " in said["in-vain"]
    assert "(the network is down)" in said["away"]
    assert "stopped by ada: the bill" in said["stopped"]
    assert {code: said[code] for code in ("in-vain", "away")} == {
        code: explained[code] for code in ("in-vain", "away")
    }
