"""Owned machines are woken before anything is rented, sleep when idle, and are never lost, whatever their switches do."""

import msgspec
import pytest
from farms import Agent, planned
from switching import NAMES, OWN, RULES, UNHEARD, FakeSwitch, Switched

from penstock.hub import people, sessions
from penstock.hub.explain import explain
from penstock.hub.fsck import fsck
from penstock.hub.renter import turn
from penstock.hub.steps import lead
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.pool_power import Control
from penstock.model.rules import Waiting
from penstock.model.states import Health, Power
from penstock.ports import ProviderError, UnknownMachine

ASLEEP = [Power.SUSPENDED, Power.SUSPENDED]


@pytest.fixture
def farm() -> Switched:
    return Switched()


def asleep(farm: Switched) -> Switched:
    """All of its owned machines are off."""
    farm.until(lambda: farm.powers() == ASLEEP)
    return farm


def woken(farm: Switched) -> str:
    """A job has come, a machine of the two is to be woken: its name."""
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: Power.RESUMING in farm.powers())
    return NAMES[farm.powers().index(Power.RESUMING)]


def test_idle_ones_are_switched_off_and_woken_before_anything_is_rented(farm: Switched) -> None:
    asleep(farm)
    assert [one.asked for one in farm.switches.values()] == [["soft off"], ["soft off"]]
    farm.submit("c1", planned("zlib"), planned("curl"))
    farm.until(lambda: farm.powers() == [Power.UP, Power.UP])
    farm.until(lambda: all(farm.machine(name).busy for name in NAMES))
    assert [one.asked for one in farm.switches.values()] == [["soft off", "on"], ["soft off", "on"]]
    assert farm.burst.states() == {}
    for name in NAMES:
        farm.works(name)
    asleep(farm)
    assert fsck(farm.hub) == []
    assert farm.alerts() == []


def test_what_owned_machines_cannot_take_is_rented(farm: Switched) -> None:
    farm.submit("c1", *(planned(f"lib{n}") for n in range(2)))
    farm.until(lambda: all(farm.machine(name).busy for name in NAMES))
    farm.submit("c2", planned("late"))
    farm.until(lambda: bool(farm.burst.states()))
    assert len(farm.burst.states()) == 1


def test_an_order_to_give_it_back_switches_it_off(farm: Switched) -> None:
    one = farm.machine("m1")
    assert lead(farm.leading, lambda step: turn(step, one.id, Power.DELETING, "a test"))
    farm.until(lambda: farm.machine("m1").power == Power.SUSPENDED)
    assert farm.switches["m1"].asked == ["soft off"]


def test_one_that_is_silent_is_suspect_and_keeps_its_power() -> None:
    farm = Switched(msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=10**9)))
    farm._live = lambda name: None  # type: ignore[method-assign]
    farm.live(4000)
    assert [farm.machine(name).health for name in NAMES] == [Health.SUSPECT] * 2
    assert farm.powers() == [Power.UP, Power.UP]
    assert [one.asked for one in farm.switches.values()] == [[], []]


def test_one_that_somebody_switched_off_is_told_of_and_left_alone_until_it_registers(farm: Switched) -> None:
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: any(farm.machine(name).busy for name in NAMES))
    name = next(name for name in NAMES if farm.machine(name).busy)
    (attempt,) = [one for one in farm.all(Attempt) if one.live]
    farm.switches[name].has_power = False
    farm.until(lambda: farm.machine(name).power == Power.SUSPENDED, 300)
    gone = farm.machine(name)
    assert (gone.health, gone.health_reason) == (Health.SUSPECT, "it was switched off, not by this farm")
    assert farm.alerts() == [f"{name}: it was switched off, not by this farm"]
    lost = farm.get(Attempt, attempt.id)
    assert (lost.state, lost.cause) == ("PREEMPTED", "machine gone: it was switched off, not by this farm")
    farm.submit("c2", *(planned(f"lib{n}") for n in range(4)))
    farm.live(200)
    assert farm.switches[name].asked == []
    farm.switches[name].has_power = True
    farm.until(lambda: bool(farm.machine(name).busy), 200)
    assert (farm.machine(name).power, farm.machine(name).health) == (Power.UP, Health.GOOD)


def test_one_in_maintenance_may_be_switched_off_by_whoever_maintains_it(farm: Switched) -> None:
    people.maintain(farm.hub, farm.machine("m1").id, "new disk")
    farm.live(5)
    farm.switches["m1"].has_power = False
    farm.until(lambda: farm.machine("m1").power == Power.SUSPENDED, 300)
    assert (farm.machine("m1").health, farm.alerts()) == (Health.MAINTENANCE, [])


def test_switches_that_do_not_answer_lose_nothing_and_are_told_of_once(farm: Switched) -> None:
    asleep(farm)
    for switch in farm.switches.values():
        switch.broken = UNHEARD
    farm.live(300)
    said = [f"the switch of {name} does not answer: it stays suspended" for name in NAMES]
    assert farm.alerts() == said
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: any(farm.machine(name).health == Health.SUSPECT for name in NAMES))
    name = next(name for name in NAMES if farm.machine(name).health == Health.SUSPECT)
    assert farm.machine(name).health_reason.startswith("could not be switched on: the switch of")
    farm.until(lambda: bool(farm.burst.states()))
    assert sorted(one.name for one in farm.all(Machine) if one.pool == "own") == ["m1", "m2"]
    assert farm.powers() == ASLEEP
    for switch in farm.switches.values():
        switch.broken = None
    farm.until(lambda: farm.machine(name).health == Health.GOOD, 1000)
    for _ in range(3):
        farm.submit("more", *(planned(f"lib{n}") for n in range(9)))
    farm.until(lambda: farm.powers() == [Power.UP, Power.UP])


def test_one_that_refuses_is_left_out_and_the_other_one_woken(farm: Switched) -> None:
    asleep(farm)
    farm.switches["m1"].broken = farm.switches["m2"].broken = UnknownMachine("not mine")
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: any(farm.machine(name).health == Health.SUSPECT for name in NAMES))
    name = next(name for name in NAMES if farm.machine(name).health == Health.SUSPECT)
    other = NAMES[1 - NAMES.index(name)]
    farm.switches[other].broken = None
    farm.submit("c2", *(planned(f"lib{n}") for n in range(9)))
    farm.until(lambda: farm.machine(other).power == Power.UP)
    assert farm.machine(name).power == Power.SUSPENDED
    assert farm.machine(name).health_reason.endswith("not mine")


def test_one_that_does_not_come_up_is_left_alone_and_counts_when_it_comes(farm: Switched) -> None:
    asleep(farm)
    farm._boots_ms = dict.fromkeys(NAMES, 10**15)
    live = farm._live
    farm._live = lambda name: None  # type: ignore[method-assign]
    name = woken(farm)
    farm.until(lambda: farm.machine(name).power == Power.SUSPENDED, 400)
    assert farm.machine(name).health_reason == "it did not come up in 180 s after it was switched on"
    farm._live = live  # type: ignore[method-assign]
    farm.agents[name].again()
    assert (farm.machine(name).power, farm.machine(name).health) == (Power.UP, Health.GOOD)


def test_one_that_does_not_shut_down_is_switched_off_hard(farm: Switched) -> None:
    for switch in farm.switches.values():
        switch.stubborn = True
    asleep(farm)
    assert [one.asked[-1] for one in farm.switches.values()] == ["hard off", "hard off"]


def test_one_whose_switch_dies_on_the_way_down_counts_again_and_is_told_of(farm: Switched) -> None:
    farm.until(lambda: Power.SUSPENDING in farm.powers())
    for switch in farm.switches.values():
        switch.has_power, switch.broken = True, ProviderError("busy")
    farm.until(lambda: farm.powers() == [Power.UP, Power.UP], 900)
    assert "m1: it did not shut down in 600 s" in farm.alerts()
    farm.live(3)
    assert farm.machine("m1").health == Health.GOOD


def test_a_switch_that_lost_the_word_is_told_again(farm: Switched) -> None:
    asleep(farm)
    farm.switches["m1"].on = farm.switches["m2"].on = lambda: None  # type: ignore[method-assign]
    name = woken(farm)
    farm.live(10)
    asked = farm.switches[name].asked
    del farm.switches[name].on  # type: ignore[attr-defined]
    farm.until(lambda: asked[-1] == "on", 120)
    farm.until(lambda: farm.machine(name).power == Power.UP)
    assert asked[-1] == "on"
    assert farm.machine(name).power == Power.UP


def test_machines_without_a_switch_are_there_all_the_time() -> None:
    pool = msgspec.structs.replace(OWN, controls=OWN.controls[:1])
    farm = Switched(msgspec.structs.replace(RULES, pools=(pool, RULES.pools[1])))
    farm.owned._switches.pop("m2")
    farm.until(lambda: farm.machine("m1").power == Power.SUSPENDED)
    farm.live(2000)
    assert farm.powers() == [Power.SUSPENDED, Power.UP]
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: bool(farm.machine("m2").busy), 200)
    assert farm.machine("m1").power == Power.SUSPENDED


def test_a_switch_that_is_taken_away_leaves_a_machine_on(farm: Switched) -> None:
    farm.live(30)
    assert farm.machine("m2").provider_id == "m2"
    del farm.owned._switches["m2"]
    farm.until(lambda: farm.machine("m2").provider_id == "", 200)


def test_a_machine_that_enrols_anew_is_the_one_that_its_switch_names(farm: Switched) -> None:
    before = farm.machine("m1")
    farm.agents["m1"] = Agent(farm, "m1", slots=1)
    assert farm.machine("m1").id == before.id
    other = Agent(farm, "unnamed", slots=1)
    assert other.machine.id != before.id


def test_a_new_leader_finds_them_as_they_are(farm: Switched) -> None:
    asleep(farm)
    farm.restart()
    farm.live(60)
    assert farm.powers() == ASLEEP
    name = woken(farm)
    farm.restart()
    farm.until(lambda: farm.machine(name).power == Power.UP)


def test_who_can_only_be_woken_is_told_to_stop_itself() -> None:
    wake = tuple(Control(machine=name, address=f"wol://aa:bb:cc:dd:ee:0{n}") for n, name in enumerate(NAMES))
    pool = msgspec.structs.replace(OWN, controls=wake)
    farm = Switched(msgspec.structs.replace(RULES, pools=(pool, RULES.pools[1])))
    assert not farm.agents["m1"].answer.power_off
    farm._live = lambda name: None  # type: ignore[method-assign]
    farm.until(lambda: farm.machine("m1").power == Power.SUSPENDING)
    assert farm.agents["m1"].again().power_off
    assert not sessions._stops_itself(farm.hub, msgspec.structs.replace(farm.machine("m1"), name="m3"))


def test_a_fake_switch_is_a_switch() -> None:
    switch = FakeSwitch()
    switch.off(False)
    assert switch.is_on() is False


def test_a_switch_that_gives_no_answer_is_left_alone_after_three_tries(farm: Switched) -> None:
    farm.until(lambda: farm.powers() == [Power.SUSPENDED] * 2)
    for switch in farm.switches.values():
        switch.broken = UNHEARD
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: Power.RESUMING in farm.powers())
    farm.until(lambda: any("could not be switched on" in one for one in farm.alerts()), most_s=10)
    left = [one for one in farm.all(Machine) if one.health == Health.SUSPECT]
    assert [one.power for one in left] == [Power.SUSPENDED]
    assert "could not be switched on" in left[0].health_reason


def reasons(farm: Switched) -> list[str]:
    """What is said of the machines to who asks why the one job waits."""
    (job,) = farm.all(Job)
    return [one.text for one in explain(farm.hub, job.id).reasons if one.subject in NAMES]


def test_while_a_silent_switch_is_asked_again_that_is_why_the_job_waits(farm: Switched) -> None:
    asleep(farm)
    for switch in farm.switches.values():
        switch.broken = UNHEARD
    name = woken(farm)
    said = f"it is resuming; its provider says: the switch of {name}: no answer, it is asked again"
    farm.until(lambda: said in reasons(farm), most_s=5)
    farm.switches[name].broken = None
    farm.until(lambda: farm.machine(name).power == Power.UP, most_s=100)
    assert farm.machine(name).power_reason == "no machine that is there takes a waiting job in time"
    assert farm.alerts() == []


def test_a_job_goes_on_when_switches_answer_that_were_silent() -> None:
    """They were left alone for ten minutes, whatever they did meanwhile."""
    farm = asleep(Switched(msgspec.structs.replace(RULES, pools=(OWN,))))
    for switch in farm.switches.values():
        switch.broken = UNHEARD
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: [farm.machine(name).health for name in NAMES] == [Health.SUSPECT] * 2, most_s=60)
    assert sum("could not be switched on: the switch of" in one for one in reasons(farm)) == 2
    farm.live(30)
    for switch in farm.switches.values():
        switch.broken = None
    farm.until(lambda: Power.RESUMING in farm.powers(), most_s=12)
    farm.until(lambda: any(farm.machine(name).busy for name in NAMES), most_s=100)


def test_a_switch_that_answers_and_refuses_is_left_alone_for_a_while(farm: Switched) -> None:
    asleep(farm)

    def refuses() -> None:
        raise ProviderError("no button")

    for switch in farm.switches.values():
        switch.on = refuses  # type: ignore[method-assign]
    farm.submit("c1", planned("zlib"))
    farm.until(lambda: len(farm.alerts()) == 1, most_s=60)
    farm.live(300)
    said = [f"{name}: could not be switched on: the switch of {name}: no button" for name in NAMES]
    assert sorted(farm.alerts()) in (said, said[:1], said[1:])
