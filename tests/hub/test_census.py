"""Counts that are followed through the outbox agree with counts made anew."""

import msgspec
import pytest

from penstock.hub import census as census_module
from penstock.hub import incarnation, overview, people
from penstock.hub.census import Census
from penstock.model.farm import Event, Farm
from penstock.model.job import Job
from tests.busyfarm import make
from tests.farms import Agent, TestFarm, planned

LONG_S = 30.0


def figures(census: Census):  # type: ignore[no-untyped-def]
    return census.figures(patience_s=LONG_S)


def test_what_is_followed_is_what_is_there() -> None:
    farm = TestFarm()
    followed = Census(farm.hub)
    assert figures(followed).states == {}
    agent = Agent(farm, "m1")
    build = farm.submit("c1", *(planned(f"m{n}") for n in range(5)), planned("last", needs=["m0"]))
    for step in range(6):
        found, anew = figures(followed), figures(Census(farm.hub))
        assert (found.states, found.queue) == (anew.states, anew.queue), step
        assert [line.build for line in found.builds] == [line.build for line in anew.builds]
        tally = followed.tallies([build.id], LONG_S)[build.id]
        assert tally == Census(farm.hub).tallies([build.id], LONG_S)[build.id]
        farm.tick()
        for work in agent.start():
            agent.run(work)
    assert tally == {"PASSED": 6}
    assert figures(followed).builds[0].build.state == "PASSED"


def test_too_many_events_or_another_incarnation_are_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = TestFarm()
    followed = Census(farm.hub)
    figures(followed)
    monkeypatch.setattr(census_module, "FOLLOWED", 3)
    farm.submit("c1", *(planned(f"m{n}") for n in range(9)))
    farm.tick()
    assert figures(followed).states == {"queued": 9}

    def restored(tx) -> None:  # type: ignore[no-untyped-def]
        row = tx.get(Farm, "farm")
        tx.replace(msgspec.structs.replace(row, incarnation="other"))
        for job in tx.find(Job, "open", True)[:4]:
            tx.delete(job)

    farm.store.write(restored)
    assert figures(followed).states == {"queued": 5}


def test_the_queue_says_what_goes_first_and_since_when() -> None:
    farm = TestFarm()
    farm.submit("c1", planned("slow"))
    farm.tick(60_000)
    second = farm.submit("c2", planned("urgent"), priority=5)
    (group,) = figures(Census(farm.hub)).queue
    assert (group.jobs, group.first) == (2, farm.job(second, "urgent:build").id)
    assert group.oldest_ms == farm.clock.wall - 60_000
    found = overview.overview(farm.hub, Census(farm.hub))
    assert found["queue"][0]["why"] == "no machine has linux"
    agent = Agent(farm, "m1")
    people.drain(farm.hub, agent.machine.id)
    why = overview.overview(farm.hub, Census(farm.hub))["queue"][0]["why"]
    assert why.startswith("its one machine: it is draining")


def test_a_page_does_not_wait_for_a_long_count(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = TestFarm()
    farm.submit("c1", planned("zlib"))
    census = Census(farm.hub)
    assert census.figures(patience_s=0.0).states in ({}, {"queued": 1})
    assert census.tallies(["t1"], patience_s=-1) == {}
    assert figures(census).counted


def test_alerts_name_what_needs_somebody(tmp_path) -> None:  # type: ignore[no-untyped-def]
    made = make(tmp_path)
    found = overview.overview(made.farm.hub, Census(made.farm.hub))
    said = {alert["what"]: alert["text"] for alert in found["alerts"]}
    assert "rack-05" in said["quarantined"]
    assert said["suspect"] == "i-0c903: no word from its agent"
    assert said["alert"].startswith("6 of 22 rights")
    assert found["busy"] <= found["slots"]
    assert sum(part["jobs"] for part in found["builds"][0]["bar"]) == found["builds"][0]["jobs"] == 96


def test_what_is_so_is_said_once() -> None:
    farm = TestFarm()
    agent = Agent(farm, "m1")
    people.drain(farm.hub, agent.machine.id)
    agent.poll(draining=True)
    incarnation.freeze(farm.hub, "a restored disk")
    found = overview.overview(farm.hub, Census(farm.hub))
    assert [alert["text"] for alert in found["alerts"]] == [
        "a restored disk. Nothing is decided until penstock thaw --adopt"
    ]
    (pool,) = (pool for pool in found["pools"] if pool["machines"])
    assert (pool["agents"], pool["power"]) == ({"draining": 1}, {})


def test_events_of_the_farm_are_followed_once() -> None:
    farm = TestFarm()
    census = Census(farm.hub)
    figures(census)
    farm.store.write(
        lambda tx: tx.insert(Event(kind="farm", state="alert", reason="one", at_ms=farm.clock.wall))
    )
    assert [event.reason for event in figures(census).events["farm"]] == ["one"]
    farm.tick()
    assert [event.reason for event in figures(census).events["farm"]] == ["one"]


def test_what_it_remembers_of_builds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = TestFarm()
    census = Census(farm.hub)
    figures(census)
    monkeypatch.setattr(census_module, "KEPT_BUILDS", 3)
    monkeypatch.setattr(census_module, "KEPT_TALLIES", 2)
    builds = []
    for number in range(6):
        farm.clock.wall += 1000
        builds.append(farm.submit(f"c{number}", planned(f"m{number}")).id)
        farm.tick()
        shown = [line.build.id for line in figures(census).builds]
        assert shown == builds[-3:][::-1]
        assert census.tallies(builds, LONG_S)[builds[-1]] == {"queued": 1}
    assert len(census._tallies) <= 2
    assert len(census._builds) <= 3


def test_open_jobs_are_read_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand whole jobs at once would be hundreds of megabytes."""
    farm = TestFarm()
    farm.submit("c1", *(planned(f"m{n}") for n in range(10)))
    farm.submit("c2", *(planned(f"n{n}", needs=[f"n{n - 1}"] if n else ()) for n in range(5)))
    farm.tick()
    monkeypatch.setattr(census_module, "PAGE", 3)
    asked: list[int | None] = []
    read = farm.store.read

    class Asked:
        def __init__(self, tx) -> None:  # type: ignore[no-untyped-def]
            self._tx = tx
            self.get = tx.get

        def find(self, kind, index, *values, **how):  # type: ignore[no-untyped-def]
            if (kind, index) == (Job, "open"):
                asked.append(how.get("limit"))
            return self._tx.find(kind, index, *values, **how)

    monkeypatch.setattr(farm.store, "read", lambda operation: read(lambda tx: operation(Asked(tx))))
    assert figures(Census(farm.hub)).states == {"queued": 11, "blocked": 4}
    assert set(asked) == {3}


def test_what_moved_while_a_build_was_read_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = TestFarm()
    census = Census(farm.hub)
    build = farm.submit("c1", planned("zlib"))
    farm.tick()
    figures(census)
    right = census_module.look

    def meanwhile(hub, operation):  # type: ignore[no-untyped-def]
        found = right(hub, operation)
        monkeypatch.setattr(census_module, "look", right)
        people.cancel(farm.hub, build.id)
        farm.tick()
        figures(census)
        return found

    monkeypatch.setattr(census_module, "look", meanwhile)
    census.tallies([build.id], LONG_S)
    assert census.tallies([build.id], LONG_S) == {build.id: {"CANCELLED": 1}}
