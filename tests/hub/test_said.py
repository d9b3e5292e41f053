"""What providers say of their machines: why they do not come, why they went; and those that hear by themselves."""

import re
from dataclasses import replace

import msgspec
from farms import planned
from renting import BURST, Rented

from penstock.hub.explain import explain
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rented import InstanceState, Listing
from penstock.model.states import Power
from penstock.providers.simulated import Simulated


class Talking(Simulated):
    """It says `why` of all machines, and that they are in `state`, where that is given."""

    state: InstanceState | None = None
    why = ""
    asked = 0

    def list(self) -> Listing:
        self.asked += 1
        found = super().list().instances
        told = (msgspec.structs.replace(one, why=self.why, state=self.state or one.state) for one in found)
        return Listing(instances=tuple(told))


class Heard(Talking):
    """As one that watches."""

    follows = True


def rented(kind: type[Talking]) -> tuple[Rented, Talking]:
    farm = Rented()
    provider = kind(BURST, farm.clock.monotonic_ms)
    farm.provider = provider
    farm.hub = replace(farm.hub, providers={"burst": provider})
    farm.again()
    return farm, provider


def test_why_a_machine_went_is_the_reason_of_what_was_lost() -> None:
    farm, provider = rented(Talking)
    _, attempt = farm.started()
    provider.state, provider.why = "gone", "Evicted: the machine was low on memory"
    for _ in range(7):
        farm.tick(10_000)
    lost = farm.get(Attempt, attempt.id)
    assert (lost.state, lost.cause) == ("PREEMPTED", f"machine gone: {provider.why}")


def test_why_a_machine_does_not_come_is_said_when_it_is_late() -> None:
    farm, provider = rented(Talking)
    provider.state, provider.why = "coming", "no room in the cluster"
    farm.submit("c1", planned("zlib"))
    late = farm.until(Power.DELETING)
    assert late.power_reason.startswith("did not come up in 12")
    assert late.power_reason.endswith(" s: no room in the cluster")


def test_what_a_machine_waits_for_is_said_while_it_does_and_not_after() -> None:
    farm, provider = rented(Talking)
    provider.state, provider.why = "coming", "waits for room on its host: 4096 MB beside 6144 MB, of 8192 MB"
    farm.submit("c1", planned("zlib"))
    ordered = farm.until(Power.BOOTING)
    farm.tick(20_000)
    waits = farm.get(Machine, ordered.id)
    assert waits.power_reason == f"{ordered.power_reason}; its provider says: {provider.why}"
    provider.why = "waits for room on its host: 4096 MB beside 5120 MB, of 8192 MB"
    farm.tick(20_000)
    assert farm.get(Machine, ordered.id).power_reason.endswith("says: " + provider.why)
    provider.state, provider.why = "up", ""
    assert farm.until(Power.REGISTERING).power_reason == ordered.power_reason


def test_what_went_before_it_came_is_ordered_three_times_and_then_not_for_long() -> None:
    farm, provider = rented(Talking)
    provider.state, provider.why = "gone", "its container ended with status 1 (Error)"
    farm.submit("c1", planned("zlib"))
    for _ in range(200):
        farm.tick(10_000)
    found = farm.all(Machine)
    assert {(one.power, one.power_reason) for one in found} == {(Power.GONE, provider.why)}
    assert len(found) == 3


def test_who_hears_by_itself_is_asked_often_though_nothing_is_on_its_way() -> None:
    asked = {}
    for kind in (Talking, Heard):
        farm, provider = rented(kind)
        farm.started()
        before = provider.asked
        for _ in range(20):
            farm.tick(1000)
        asked[kind] = provider.asked - before
    assert asked[Talking] <= 1
    assert asked[Heard] == 10


def test_a_job_that_waits_hears_what_the_last_order_came_to() -> None:
    farm, provider = rented(Talking)
    provider.state, provider.why = "gone", "no image"
    farm.submit("c1", planned("zlib"))
    farm.until(Power.GONE)
    (job,) = farm.all(Job)
    told = explain(farm.hub, job.id)
    (why,) = [one for one in told.reasons if one.code == "in-vain"]
    assert why.subject == "pool burst"
    assert re.fullmatch(r"an order came to nothing .+ ago: no image", why.text)
    assert "it is GONE" not in " ".join(told.sentences)
