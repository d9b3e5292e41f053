"""A rented pool of which too many machines say nothing is left as it is: until they speak again, or are gone."""

from dataclasses import replace

import msgspec
import pytest
from farms import planned
from renting import BURST, RULES, Rented

from penstock.hub import overview, poller, reconciler, sessions
from penstock.hub.census import Census
from penstock.hub.explain import explain
from penstock.hub.fsck import fsck
from penstock.hub.poller import Said
from penstock.hub.pools import pools_view
from penstock.hub.retiring import retire
from penstock.hub.sessions import Registered, Registration
from penstock.model.farm import Event
from penstock.model.machine import Machine, Session
from penstock.model.rented import TAG_MACHINE
from penstock.model.rules import Rules
from penstock.model.states import Health, Power

COUNT, STEP_MS = 8, 30_000
AWAKE = msgspec.structs.replace(BURST, min=COUNT, resume=None, stopped_price_per_hour_micros=None)
LEAST = Rules(platforms=RULES.platforms, pools=(AWAKE,))


class Held(Rented):
    """Eight rented machines that are up, and agents of which some speak."""

    def __init__(self) -> None:
        self.agents: dict[str, Registered] = {}
        self.calls: dict[str, int] = {}
        super().__init__(LEAST)
        self.go_on(40)
        assert self.up() == COUNT
        assert self.alerts() == []

    def go_on(self, steps: int, silent: int = 0) -> None:
        """So many times half a minute; the first `silent` agents that ever came say nothing."""
        for _ in range(steps):
            self.tick(STEP_MS)
            for order in self.provider.up().values():
                name = order.tags[TAG_MACHINE]
                if name not in self.agents:
                    asked = Registration(name=order.name, key=f"{len(self.agents):064x}", slots=1)
                    self.agents[name] = sessions.register(self.hub, order.secret, asked)
            for name in list(self.agents)[silent:]:
                if self.get(Machine, name).power == Power.UP:
                    self.speak(name)

    def speak(self, name: str) -> None:
        """The agent polls; one that was silent for too long registers again."""
        known = self.agents[name]
        if not self.get(Session, known.session.id).open:
            asked = Registration(name="any", key=f"{list(self.agents).index(name):064x}", slots=1)
            again = sessions.register(self.hub, known.credential or "", asked)
            self.agents[name] = msgspec.structs.replace(known, session=again.session)
            self.calls[name] = 0
        self.calls[name] = self.calls.get(name, 0) + 1
        poller.poll(self.hub, self.agents[name].session, Said(call=self.calls[name]))

    def up(self) -> int:
        return sum(one.power == Power.UP for one in self.all(Machine))

    def names(self) -> set[str]:
        """All machines that there ever were."""
        return {one.id for one in self.all(Machine)}

    def notes(self) -> list[str]:
        (pool,) = pools_view(self.hub)["pools"]
        return [note["code"] for note in pool["notes"]]


@pytest.fixture
def farm() -> Held:
    return Held()


def test_a_few_silent_machines_are_given_back_and_replaced(farm: Held) -> None:
    first = farm.names()
    farm.go_on(60, silent=3)
    assert farm.up() == COUNT
    assert len(farm.names() - first) == 3
    assert farm.alerts() == []


def test_when_many_say_nothing_all_stays_as_it_is_until_they_speak(farm: Held) -> None:
    first = farm.names()
    farm.go_on(5, silent=4)
    assert farm.alerts() == [
        "4 of the 8 machines of burst that are up say nothing: nothing is rented, woken, suspended or given back there until "
        "fewer are silent"
    ]
    build = farm.submit("c1", *(planned(f"p{number}") for number in range(20)))
    farm.go_on(120, silent=4)  # an hour: longer than any right, and too late for the jobs
    assert farm.names() == first
    assert farm.up() == COUNT
    assert fsck(farm.hub) == []
    assert farm.notes() == ["silent"]
    waiting = next(name for name, state in farm.states(build).items() if state == "queued")
    said = explain(farm.hub, farm.job(build, waiting).id)
    assert "pool burst is held as it is" in str(said)
    page = overview.overview(farm.hub, Census(farm.hub))
    assert "pool burst" in [alert["what"] for alert in page["alerts"]]
    farm.go_on(5)
    assert {one.health for one in farm.all(Machine)} <= {Health.GOOD, Health.UNKNOWN}
    assert [one.reason for one in farm.all(Event) if one.state == "pool"] == [
        "0 of the 8 machines of burst that are up say nothing: machines are rented, woken, suspended and given back there again"
    ]
    assert farm.notes() == []
    farm.go_on(60)
    assert farm.names() > first  # the jobs have waited for too long
    assert len(farm.alerts()) == 1


def test_a_new_leader_goes_on_with_it_and_tells_nobody_again(farm: Held) -> None:
    farm.go_on(5, silent=8)
    first = farm.names()
    farm.again()
    farm.go_on(60, silent=8)
    assert farm.names() == first
    assert len(farm.alerts()) == 1
    assert farm.notes() == ["silent"]


def test_what_its_provider_has_taken_away_is_not_silent_and_is_replaced(farm: Held) -> None:
    farm.provider.weather = msgspec.structs.replace(farm.provider.weather, notice_ms=0)
    taken = [one for one in farm.all(Machine) if one.power == Power.UP][:7]
    for one in taken:
        farm.provider.take_back(one.provider_id)
    farm.go_on(20)
    assert farm.up() == COUNT
    assert {farm.get(Machine, one.id).power for one in taken} == {Power.GONE}
    assert farm.alerts() == []


def test_of_many_that_are_gone_each_pass_finds_some(farm: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of those that are in no listing any more."""
    monkeypatch.setattr(reconciler, "LOST_AT_ONCE", 3)
    farm.provider.weather = msgspec.structs.replace(farm.provider.weather, notice_ms=0)
    first = [one for one in farm.all(Machine) if one.power == Power.UP]
    for one in first[:7]:
        farm.provider.take_back(one.provider_id)
    counts = []
    for step_ms in (60_000, 0, 0, 0):
        farm.bell.topics.clear()
        farm.tick(step_ms)
        counts.append(sum(farm.get(Machine, one.id).power == Power.GONE for one in first))
        if counts[-1] < 7:
            assert "farm" in farm.bell.topics
    assert counts == [3, 6, 7, 7]
    farm.go_on(4)
    farm.provider._machines.clear()
    for _ in range(20):
        before = sum(one.power == Power.GONE for one in farm.all(Machine))
        farm.tick(30_000)
        assert sum(one.power == Power.GONE for one in farm.all(Machine)) - before <= 3
    assert all(farm.get(Machine, one.id).power == Power.GONE for one in first)


def test_a_machine_that_a_person_knows_to_be_gone_is_retired(farm: Held) -> None:
    farm.go_on(5, silent=4)
    lost = next(iter(farm.agents))
    retire(farm.hub, lost, "it burnt down")
    farm.go_on(60, silent=4)
    assert farm.get(Machine, lost).power == Power.GONE
    assert farm.up() == COUNT  # three were silent then: the pool goes on, and replaces them
    assert len(farm.names()) == COUNT + 4


def test_a_pool_without_a_provider_any_more_holds_nothing(farm: Held) -> None:
    farm.go_on(5, silent=8)
    farm.hub = replace(farm.hub, providers={})
    farm.again()
    assert farm.notes() == []
