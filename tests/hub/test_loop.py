"""Farm time, leadership, the outbox, and what a pass derives again."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from farms import RULES, Agent, FakeEntropy, TestFarm, planned

from penstock.hub import incarnation, intake, placer, releaser
from penstock.hub.context import Hub, NotFound, NotLeading
from penstock.hub.fsck import fsck
from penstock.hub.loop import Services
from penstock.hub.steps import look
from penstock.hub.timekeeper import Timekeeper
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Edge, Job
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import JobState
from penstock.model.units import Size
from penstock.policy import placement
from penstock.store.memory import MemoryStore


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def time_of(farm: TestFarm) -> int:
    return farm.get(Farm, "farm").time_ms


def test_farm_time_follows_the_monotonic_clock_in_steps(farm: TestFarm) -> None:
    farm.tick()
    assert time_of(farm) == 0
    farm.tick(1500)
    assert time_of(farm) == 1500
    farm.tick(3_600_000)  # a stalled leader
    assert time_of(farm) == 31_500
    farm.clock.wall += 10**12
    farm.tick()
    farm.clock.monotonic -= 500
    farm.tick()
    assert time_of(farm) == 31_500


def test_farm_time_stands_still_while_nobody_leads(farm: TestFarm) -> None:
    farm.tick(1000)
    farm.clock.monotonic += 10_000_000
    farm.restart()
    farm.tick()
    assert time_of(farm) == 1000


def test_a_stale_leader_changes_nothing(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    old = farm.services
    farm.restart()
    farm.submit("c1", planned("zlib"))
    with pytest.raises(NotLeading, match="epoch 2 leads, this is 1"):
        old.run_once(farm.clock.monotonic)
    with pytest.raises(NotLeading):
        placer.run_once(old.hub, 0)
    assert agent.poll().offers == ()
    assert Services(farm.hub).run_once(farm.clock.monotonic)["offered"] == 1
    with pytest.raises(NotLeading):
        Timekeeper(farm.hub).run_once(1)


def test_a_farm_keeps_its_name_and_gets_a_new_epoch(farm: TestFarm) -> None:
    again = intake.open_farm(farm.hub, "another name")
    first = farm.get(Farm, "farm")
    assert again == first
    assert (first.name, first.leader_epoch) == ("test", 2)


def test_without_a_farm_nothing_is_done() -> None:
    hub = Hub(MemoryStore(), None, TestFarm().clock, FakeEntropy(), RULES, None)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="farm"):
        look(hub, lambda tx, farm: farm)


def test_events_get_positions_in_their_order(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    assert {event.position for event in farm.all(Event)} == {0}
    farm.run_all(agent)
    events = sorted(farm.all(Event), key=lambda event: event.position)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert farm.get(Farm, "farm").position == len(events)
    assert [(event.kind, event.state) for event in events] == [
        ("capacity", "up"),
        ("build", "open"),
        ("job", "queued"),
        ("job", "offered"),
        ("job", "running"),
        ("machine", "good"),
        ("attempt", "finishing"),
        ("job", "PASSED"),
        ("build", "PASSED"),
    ]
    running = events[4]
    assert (running.build, running.machine) == (build.id, agent.machine.id)
    assert running.attempt


def test_a_frozen_farm_starts_nothing(farm: TestFarm) -> None:
    Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(tx.get(Farm, "farm"), frozen=True)))
    assert set(farm.tick(1000)) == {"stamped"}
    assert farm.states(build) == {"zlib:build": "queued"}
    assert time_of(farm) == 1000


def test_an_offer_decided_on_an_older_machine_is_decided_again(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Agent(farm, "m1").machine.id
    farm.submit("c1", planned("zlib"), planned("png"))
    real = placer.placement.decide

    def meanwhile(view):  # type: ignore[no-untyped-def]
        decision = real(view)
        farm.store.write(lambda tx: tx.replace(tx.get(Machine, machine)))
        return decision

    monkeypatch.setattr(placer.placement, "decide", meanwhile)
    counts = farm.tick()
    assert (counts["offered"], counts["stale"]) == (0, 2)
    monkeypatch.undo()
    assert farm.tick()["offered"] == 2


def test_an_offer_decided_on_an_older_job_is_decided_again(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    Agent(farm, "m1")
    farm.submit("c1", planned("zlib"))
    real = placer.placement.decide

    def meanwhile(view):  # type: ignore[no-untyped-def]
        decision = real(view)
        farm.store.write(lambda tx: tx.replace(tx.get(Job, decision.places[0].job)))
        return decision

    monkeypatch.setattr(placer.placement, "decide", meanwhile)
    assert farm.tick()["stale"] == 1


def test_many_offers_are_written_in_several_transactions(farm: TestFarm) -> None:
    for number in range(20):
        Agent(farm, f"m{number}")
    farm.submit("c1", *(planned(f"z{number}") for number in range(50)))
    assert farm.tick()["offered"] == 40


def test_a_large_machine_is_filled_in_one_pass(farm: TestFarm) -> None:
    rented = Pool(name="big", provider="ec2", platforms=("linux",), slots=100, size=Size(100, 1 << 20))
    farm.with_rules(msgspec.structs.replace(RULES, pools=(rented,)))
    Agent(farm, "m1", "big", slots=100)
    farm.submit("c1", *(planned(f"z{number}") for number in range(90)))
    assert farm.tick()["offered"] == 90


def test_a_machine_whose_agent_calls_while_it_is_decided_gets_its_offer_in_the_same_pass(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Agent(farm, "m1").machine.id
    farm.submit("c1", planned("zlib"))
    real, decided = placer.placement.decide, []

    def meanwhile(view):  # type: ignore[no-untyped-def]
        decided.append(real(view))
        if len(decided) == 1:
            farm.store.write(lambda tx: tx.replace(tx.get(Machine, machine)))
        return decided[-1]

    monkeypatch.setattr(placer.placement, "decide", meanwhile)
    counts = farm.tick()
    assert (counts["offered"], counts["stale"], len(decided)) == (1, 0, 2)


# What transactions should have done is derived again (I15)


def broken_by(farm: TestFarm, change) -> Job:  # type: ignore[no-untyped-def]
    """A build whose `png` is blocked though it should not be; `change` is applied to its job."""
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    farm.run_all(agent, rounds=1)
    png, zlib = farm.job(build, "png:build"), farm.job(build, "zlib:build")

    def write(tx):  # type: ignore[no-untyped-def]
        tx.replace(change(tx.get(Job, png.id), zlib))

    farm.store.write(write)
    return farm.get(Job, png.id)


def blocked(job: Job, **changes: object) -> Job:
    return msgspec.structs.replace(job, state=JobState.BLOCKED, **changes)


@pytest.mark.parametrize("unmet", [0, 1])
def test_a_job_whose_parents_have_passed_is_freed(farm: TestFarm, unmet: int) -> None:
    png = broken_by(farm, lambda job, zlib: blocked(job, unmet=unmet))
    assert png.state == JobState.BLOCKED
    assert releaser.run_once(farm.leading, 0) == {"repaired": 1}
    assert farm.get(Job, png.id).state == JobState.QUEUED
    assert releaser.run_once(farm.leading, 0) == {"repaired": 0}


def test_a_parent_whose_end_was_missed_is_followed(farm: TestFarm) -> None:
    png = broken_by(farm, lambda job, zlib: blocked(job, unmet=1))

    def forget(tx):  # type: ignore[no-untyped-def]
        edge = tx.find(Edge, "child", png.id)[0]
        tx.replace(msgspec.structs.replace(edge, met=False))

    farm.store.write(forget)
    assert fsck(farm.hub) != []
    assert releaser.run_once(farm.leading, 0) == {"repaired": 1}
    assert fsck(farm.hub) == []


def test_a_producer_whose_end_was_missed_is_followed(farm: TestFarm) -> None:
    png = broken_by(farm, lambda job, zlib: blocked(job, waits_on=zlib.id, key=zlib.key))
    assert releaser.run_once(farm.leading, 0) == {"repaired": 1}
    assert farm.get(Job, png.id).state == JobState.REUSED


def test_a_miscount_is_put_right(farm: TestFarm) -> None:
    build = farm.submit("c1", planned("zlib"), planned("png", needs=["zlib"]))
    png = farm.job(build, "png:build")
    farm.store.write(lambda tx: tx.replace(msgspec.structs.replace(png, unmet=2)))
    farm.pass_time(90_000)
    assert farm.get(Job, png.id).unmet == 1


def test_a_wait_for_a_live_producer_is_left_alone(farm: TestFarm) -> None:
    farm.submit("c1", planned("zlib"))
    farm.submit("c2", planned("zlib"))
    assert releaser.run_once(farm.leading, 0) == {"repaired": 0}


def freezing(farm: TestFarm, then: Callable[..., Any]) -> Callable[..., Any]:
    """`then`, before which somebody freezes the farm."""

    def act(*arguments: Any) -> Any:
        incarnation.freeze(farm.hub, "new disk")
        return then(*arguments)

    return act


def test_a_farm_that_is_frozen_while_it_is_decided_starts_nothing(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    with monkeypatch.context() as frozen:
        frozen.setattr(placement, "decide", freezing(farm, placement.decide))
        farm.tick()
    assert (farm.states(build), farm.all(Attempt)) == ({"zlib:build": "queued"}, [])
    incarnation.adopt(farm.hub)
    farm.tick()
    assert farm.states(build) == {"zlib:build": "offered"}


def test_a_farm_that_is_frozen_while_it_publishes_settles_nothing(
    farm: TestFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    agent.run(agent.start()[0])
    with monkeypatch.context() as frozen:
        frozen.setattr(farm.blobs, "publish", freezing(farm, farm.blobs.publish))
        farm.tick()
    assert farm.states(build) == {"zlib:build": "running"}
    incarnation.adopt(farm.hub)
    farm.tick()
    assert farm.states(build) == {"zlib:build": "PASSED"}


def test_the_view_of_the_queue_keeps_nothing_of_what_is_over(farm: TestFarm) -> None:
    agent = Agent(farm, "m1")
    for number in range(4):
        farm.submit(f"c{number}", planned("zlib", size=Size(1, 100 + number)))
        farm.run_all(agent, rounds=1)
    view = farm.services.view
    assert (view._asks, view._groups, view._waiting, view._later, view._held) == ({}, {}, {}, {}, {})
