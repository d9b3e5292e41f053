"""Guards at work in a farm that rents: what they see, what they keep from happening, and what goes on all the same."""

import pytest
from farms import Agent, TestFarm, planned
from guarded import OWN, SOON, S, fire, look, ordered, rules, spend, state, until, waits
from guards import HOUR_MS, guard
from renting import Rented

from penstock.hub import queue
from penstock.hub.context import NotFound, Refused
from penstock.hub.costs import guards as asked
from penstock.hub.explain import explain
from penstock.model.change import Build
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Guarding, Meter
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import JobState, Power
from penstock.model.units import DAY_MS, MICROS_PER_UNIT


def said(farm: TestFarm, build: Build, name: str = "zlib:build") -> list[str]:
    return list(explain(farm.hub, farm.job(build, name).id).sentences)


def test_a_forecast_above_95_for_48_hours_caps_what_is_rented() -> None:
    capped = guard("notify:infra", "cap:burst=0", hold_ms=48 * HOUR_MS, exempt=("release",))
    farm = Rented(rules(capped))
    spend(farm, 10)  # 300 in 30 days: all of it
    look(farm)
    assert state(farm) == S.ARMED
    begun_ms = farm.clock.monotonic
    until(farm, S.ACTIVE, 49 * HOUR_MS)
    assert 47.9 * HOUR_MS <= farm.clock.monotonic - begun_ms < 48.1 * HOUR_MS
    told = [one.reason for one in farm.all(Event) if one.kind == "alert"]
    assert told == [
        "guard g is active: the forecast of month is 300.00 of 300.00 USD, 100.0 % (the limit is 95 %); to be told to infra"
    ]
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    farm.submit("c2", planned("png", klass="release"))
    assert ordered(farm) > 0


def test_what_runs_goes_on_and_what_is_up_is_used() -> None:
    farm = Rented(rules(guard("throttled", hold_ms=0)))
    who, attempt = farm.started()
    fire(farm)
    farm.tick(30_000)
    assert farm.get(Attempt, attempt.id).live
    assert farm.machine.power == Power.UP
    build = farm.submit("c2", planned("zlib2"))
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(1000)
    assert farm.states(build) == {"zlib2:build": "offered"}
    assert len(farm.all(Machine)) == 1


def test_a_barred_pool_starts_nothing_new_but_what_is_exempt() -> None:
    farm = Rented(rules(guard("owned_only", hold_ms=0, exempt=("release",))))
    who, attempt = farm.started()
    fire(farm)
    plain = farm.submit("c2", planned("xml"))
    farm.submit("c3", planned("png", klass="release"))
    queue.finish(farm.hub, who.session, attempt.id, attempt.fence, "fin", queue.Ending(result="failed"))
    farm.tick(1000)
    assert farm.states(plain) == {"xml:build": "queued"}
    assert [one.name for one in _jobs(farm, JobState.OFFERED)] == ["png:build"]
    text = " ".join(said(farm, plain, "xml:build"))
    assert "Guard g keeps jobs of class change from pool burst since" in text
    assert "the forecast is too high; an operator can take it back: penstock costs undo g." in text
    assert "Until then it waits." in text
    assert "can ever take it" not in text


def _jobs(farm: TestFarm, wanted: JobState):  # type: ignore[no-untyped-def]
    return farm.store.read(lambda tx: tx.find(Job, "state", wanted))


def test_one_that_asks_does_nothing_until_a_person_said_yes() -> None:
    farm = Rented(rules(guard("throttled", approval="manual", **SOON)))
    spend(farm, 11)
    until(farm, S.PENDING)
    assert waits(farm) == []
    (line,) = asked.guards(farm.hub)["guards"]
    assert (line["state"], line["next"]) == ("pending", "waits for a person: `penstock costs approve g`")
    assert asked.approve(farm.hub, "g", "ann")["changed"]
    assert not asked.approve(farm.hub, "g", "ann")["changed"]
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    (line,) = asked.guards(farm.hub)["guards"]
    assert (line["state"], line["approved_by"], line["in_force"]) == ("active", "ann", True)
    assert asked.undo(farm.hub, "g", "ben", "it is a release week")["changed"]
    farm.tick(1000)
    assert ordered(farm) > 0


def test_before_it_was_approved_jobs_rent_as_ever() -> None:
    farm = Rented(rules(guard("throttled", approval="manual", **SOON)))
    spend(farm, 11)
    until(farm, S.PENDING)
    farm.submit("c1", planned("zlib"))
    assert ordered(farm) > 0


def test_a_new_leader_finds_the_guard_where_it_was() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    before = farm.get(Guarding, "g")
    farm.again()
    farm.submit("c1", planned("zlib"))
    assert waits(farm) == []
    assert farm.get(Guarding, "g") == before


def test_below_its_limit_it_cools_down_and_lets_go() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    farm.submit("c1", planned("zlib"))
    spend(farm, 1)
    farm.again()  # kept sums of days that have ended are read anew by who leads next
    until(farm, S.COOLING)
    assert waits(farm, 0.9) == []
    until(farm, S.STANDBY)
    assert ordered(farm) > 0
    kinds = [one.state for one in farm.all(Event) if one.kind == "guard"]
    assert kinds == ["armed", "active", "cooling", "standby"]


def test_what_was_taken_back_stays_so() -> None:
    farm = Rented(rules(guard("notify:infra", "throttled", **SOON)))
    with pytest.raises(Refused, match="nothing to take back"):
        asked.undo(farm.hub, "g", "ann")
    with pytest.raises(Refused, match="asks for nothing"):
        asked.approve(farm.hub, "g", "ann")
    with pytest.raises(NotFound):
        asked.undo(farm.hub, "nothing", "ann")
    with pytest.raises(NotFound):
        asked.guards(farm.hub, "nothing")
    spend(farm, 11)
    until(farm, S.ACTIVE)
    assert asked.undo(farm.hub, "g", "", "")["reason"] == "a person took it back until its period ends"
    assert not asked.undo(farm.hub, "g", "ann")["changed"]
    waits(farm, 3)
    assert state(farm) == S.STANDBY
    (line,) = asked.guards(farm.hub, "g")["guards"]
    assert (line["undone"], line["crossed"]) == (True, True)
    assert "lets it act again" in line["next"]
    asked.approve(farm.hub, "g", "ann")
    until(farm, S.ACTIVE)
    farm.clock.wall += 30 * DAY_MS  # next month: nothing is used of it yet
    look(farm)
    assert state(farm) in (S.STANDBY, S.ARMED)


def test_a_guard_that_farm_toml_has_no_more_is_gone() -> None:
    farm = Rented(rules(guard("throttled", **SOON)))
    spend(farm, 11)
    until(farm, S.ACTIVE)
    farm.with_rules(rules())
    look(farm)
    assert farm.get(Guarding, "g") is None
    assert [one.state for one in farm.all(Event) if one.kind == "guard"][-1] == "gone"


def test_what_runs_up_counts_before_it_is_entered() -> None:
    actual = guard("throttled", when="actual > 90%", hold_ms=0)
    farm = Rented(rules(actual))
    spend(farm, 20)
    assert farm.all(Guarding) == []
    now = farm.clock.wall
    meter = Meter(
        machine="m",
        pool="burst",
        power=Power.UP,
        since_ms=now - HOUR_MS,
        price_micros=20 * MICROS_PER_UNIT,
        run_ms=now - HOUR_MS,
    )
    farm.store.write(lambda tx: tx.insert(meter))
    look(farm)
    assert state(farm) == S.ACTIVE
    (watched,) = asked.guards(farm.hub)["guards"][0]["watched"]
    assert (watched["used"][:4], watched["amount"]) == ("280.", "300")


class TestOwnedMachines:
    """Machines that come by themselves: the placer's."""

    def farm(self, *then: str, **changes: object) -> tuple[TestFarm, Agent]:
        priced = Pool(name="shared", provider="owned", platforms=("linux",), price_per_hour_micros=100)
        about = SOON | {"hold_ms": 0} | changes
        farm = TestFarm(rules(guard(*then, **about), pools=(OWN, priced)))
        spend(farm, 11, "shared")
        look(farm)
        agent = Agent(farm, "m1", "shared")
        farm.tick()
        return farm, agent

    @pytest.mark.parametrize(
        ("then", "starts"),
        [("throttled", True), ("owned_only", True), ("frozen", False), ("drain:shared", False)],
    )
    def test_what_has_a_price_is_kept_from_those_that_are_not_exempt(self, then: str, starts: bool) -> None:
        farm, agent = self.farm(then)
        plain = farm.submit("c1", planned("zlib"))
        farm.submit("c2", planned("png", klass="release"))
        farm.tick()
        offered = sorted(work.job.name for work in agent.start())
        assert offered == (["png:build", "zlib:build"] if starts else ["png:build"])
        if not starts:
            assert "may go to pool own" in " ".join(said(farm, plain))

    def test_a_class_that_is_off_starts_nowhere(self) -> None:
        farm, agent = self.farm("class_off:nightly")
        farm.submit("c1", planned("zlib", klass="nightly"))
        farm.submit("c2", planned("png"))
        farm.tick()
        assert [work.job.name for work in agent.start()] == ["png:build"]

    def test_a_job_that_only_guards_refuse_is_not_hopeless(self) -> None:
        farm, _ = self.farm("class_off:change")
        build = farm.submit("c1", planned("zlib"))
        farm.tick()
        assert build.open
        assert farm.states(build) == {"zlib:build": "queued"}
        assert "can ever take" not in " ".join(said(farm, build))
