"""Farms are frozen, moved and thawed by admins."""

import pytest
from farms import Agent, TestFarm, planned

from penstock.hub.context import Refused
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.web.people import ACTS


@pytest.fixture
def farm() -> TestFarm:
    return TestFarm()


def test_a_frozen_farm_decides_nothing_until_it_is_thawed(farm: TestFarm) -> None:
    assert ACTS["freeze"](farm.hub, "farm", "new disk", "ada")["done"]
    assert farm.get(Farm, "farm").frozen_reason == "frozen by ada: new disk"
    assert not ACTS["freeze"](farm.hub, "farm", "", "bob")["done"]
    assert ACTS["thaw"](farm.hub, "adopt", "", "ada")["said"] == "the farm goes on"
    assert not ACTS["thaw"](farm.hub, "adopt", "", "ada")["done"]


def test_a_moved_farm_says_where_it_is(farm: TestFarm) -> None:
    ACTS["move"](farm.hub, "farm", "https://new.example", "ada")
    assert farm.get(Farm, "farm").address == "https://new.example"


@pytest.mark.parametrize(
    "address", ["", "new.example", "file:///etc", "https://", "ftp://x", "https://" + "x" * 600]
)
def test_what_is_no_address_is_refused(farm: TestFarm, address: str) -> None:
    with pytest.raises(Refused, match="is no address of a hub"):
        ACTS["move"](farm.hub, "farm", address, "ada")
    assert not farm.get(Farm, "farm").frozen


def test_there_are_two_ways_to_thaw(farm: TestFarm) -> None:
    with pytest.raises(Refused, match="adopt or as-copy"):
        ACTS["thaw"](farm.hub, "anyway", "", "ada")


def test_freezing_a_moved_farm_does_not_call_its_agents_back(farm: TestFarm) -> None:
    ACTS["move"](farm.hub, "farm", "https://new.example", "ada")
    assert not ACTS["freeze"](farm.hub, "farm", "", "bob")["done"]
    assert farm.get(Farm, "farm").address == "https://new.example"


@pytest.mark.parametrize("what", sorted(set(ACTS) - {"freeze", "move", "thaw"}))
def test_nothing_is_done_in_a_farm_that_has_moved(farm: TestFarm, what: str) -> None:
    agent = Agent(farm, "m1")
    build = farm.submit("c1", planned("zlib"))
    job = farm.job(build, "zlib:build")
    names = {"cancel": build.id, "hold": job.id, "release": job.id, "retry": job.id}
    ACTS["move"](farm.hub, "farm", "https://new.example", "ada")
    before = [farm.all(kind) for kind in (Build, Job, Machine)]
    with pytest.raises(Refused, match=r"has moved to https://new\.example"):
        ACTS[what](farm.hub, names.get(what, agent.machine.id), "", "ada")
    assert [farm.all(kind) for kind in (Build, Job, Machine)] == before
