"""What a person reads who is called at three in the morning: of each state what it is, until when, and what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import pytest
from farms import Agent, TestFarm, planned
from renting import BURST, RULES, Rented
from switching import UNHEARD, Switched

from penstock.hub import people, pools
from penstock.hub.explain import explain
from penstock.hub.fleet import machines_view
from penstock.hub.retiring import retire
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.ledger import Guarding
from penstock.model.machine import Machine
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Listing, Order
from penstock.model.rules import Guard, Quantiles, Waiting
from penstock.model.states import GuardState, Power
from penstock.ports import NoAnswer
from penstock.providers.simulated import Simulated, Weather

HASTY = Waiting(price_per_hour_micros=200_000_000)


def told(farm: TestFarm) -> str:
    """All that `penstock explain` says of the only job."""
    (job,) = farm.all(Job)
    return "\n".join(explain(farm.hub, job.id).sentences)


def notes(farm: TestFarm) -> str:
    """What `penstock machines` says below its table."""
    return "\n".join(f"{one['subject']}: {one['text']}" for one in machines_view(farm.hub)["notes"])


def outlook(farm: TestFarm) -> str:
    """The last column of `penstock machines`, of the only machine."""
    (one,) = machines_view(farm.hub)["machines"]
    return "; ".join(said for said in (one["reason"], one["why"], one["next"]) if said)


def rented(**changes: object) -> Rented:
    farm = Rented(msgspec.structs.replace(RULES, waiting=HASTY, **changes))
    farm.tick(6000)
    return farm


def waits(farm: Rented, seconds: int = 60) -> Rented:
    """A job that cannot begin, some time later."""
    farm.submit("c1", planned("zlib"))
    for _ in range(seconds):
        farm.tick(1000)
    return farm


def stopped() -> Rented:
    farm = rented()
    pools.stop_pool(farm.hub, "burst", "stopped by ada: the bill")
    return waits(farm)


def guarded(*then: str) -> Rented:
    guard = Guard(when="actual > 90%", hold_ms=0, then=then, name="bill")  # type: ignore[arg-type]
    farm = rented(guards=(guard,))
    fired = Guarding(name="bill", state=GuardState.ACTIVE, reason="actual is 93 % of aws", fired_ms=1)
    known = farm.get(Guarding, "bill")
    farm.store.write(
        lambda tx: (
            tx.insert(fired)
            if known is None
            else tx.replace(msgspec.structs.replace(fired, version=known.version))
        )
    )
    return waits(farm, 20)


def quota() -> Rented:
    farm = rented()
    farm.provider.weather = Weather(quota=0)
    return waits(farm)


def no_capacity() -> Rented:
    farm = rented()
    farm.provider.weather = Weather(no_capacity=1.0)
    return waits(farm)


def away() -> Rented:
    farm = rented()

    def silent() -> Listing:
        raise NoAnswer("connect to https://cloud.example: timed out")

    farm.provider.list = silent  # type: ignore[method-assign]
    for _ in range(10):
        farm.tick(30_000)
    return waits(farm, 5)


def all_there() -> Rented:
    """Each job has a machine, and the last one none."""
    farm = rented(pools=(msgspec.structs.replace(BURST, max=1),))
    farm.submit("c0", planned("first"))
    farm.until(Power.REGISTERING)
    (first,) = farm.all(Job)
    farm.enrol()
    farm.tick(1000)
    farm.submit("c1", planned("zlib"))
    farm.tick(1000)
    farm.store.write(lambda tx: tx.delete(tx.get(Job, first.id)))
    return farm


def orphans(count: int, seconds: int) -> Rented:
    farm = rented()
    ours = farm.get(Farm, "farm")
    tags = {TAG_FARM: ours.uid, TAG_INCARNATION: ours.incarnation, TAG_MACHINE: "nobody"}
    for number in range(count):
        farm.provider.create(Order(offer="burst", token=f"strange {number}", tags=tags))
    for _ in range(seconds // 30):
        farm.tick(30_000)
    return farm


@dataclass
class Case:
    """A state, who says something of it, and what."""

    state: Callable[[], TestFarm]
    says: Callable[[TestFarm], str]
    what: str


CASES = {
    "a pool that a person stopped": Case(
        stopped,
        told,
        r"Pool burst is stopped since 60 s: stopped by ada: the bill; an operator can start it again: penstock pools start burst\.",
    ),
    "the same, of the pool": Case(
        stopped, notes, r"pool burst: it is stopped since 60 s: .*penstock pools start burst$"
    ),
    "a guard that lets nothing be rented": Case(
        lambda: guarded("throttled"),
        told,
        r"Guard bill lets nothing be rented in pool burst since .*: actual is 93 % of aws; an operator can take it back: "
        r"penstock costs undo bill\.",
    ),
    "the same of the pool": Case(
        lambda: guarded("throttled"),
        notes,
        r"pool burst: guard bill lets nothing be rented or woken there since .*: actual is 93 % of aws; .*penstock costs undo bill$",
    ),
    "a guard that lets nothing start": Case(
        lambda: guarded("owned_only"),
        notes,
        r"pool burst: guard bill lets nothing start there since",
    ),
    "a guard that caps": Case(
        lambda: guarded("cap:burst=2"),
        notes,
        r"guard bill lets no more than 2 of its machines be at work since",
    ),
    "a quota": Case(
        quota,
        told,
        r"pool burst: an order came to nothing \d+ s ago: quota reached: burst: no more than 0 machines; "
        r"the next is made in 1\d min at the earliest\.",
    ),
    "no capacity": Case(
        no_capacity,
        told,
        r"pool burst: an order came to nothing \d+ s ago: no capacity: burst has no machine left; "
        r"the next is made in .* at the earliest\.",
    ),
    "a provider that is away": Case(
        away,
        told,
        r"pool burst: its provider has not answered for [45] min \(connect to https://cloud\.example: timed out\): until it does "
        r"nobody knows what is there, and orders and stops may come to nothing; what runs goes on\.",
    ),
    "as many machines as may be": Case(
        all_there, told, r"pool burst: it has as many machines as farm\.toml allows \(max = 1\)\."
    ),
    "strangers that were seen once": Case(
        lambda: orphans(2, 60),
        notes,
        r"pool burst: 2 machines with this farm's tag in no book: deleted if a listing a minute after the first has them again",
    ),
    "many strangers": Case(
        lambda: orphans(4, 240),
        notes,
        r"pool burst: 4 machines with .* too many to delete unasked: if none of them is somebody's, penstock pools clear burst",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_person_reads_what_it_is_until_when_and_what_to_do(name: str) -> None:
    case = CASES[name]
    found = case.says(case.state())
    assert re.search(case.what, found, re.M), found


def test_strangers_say_nothing_of_a_job_that_waits_unless_somebody_has_to_act() -> None:
    farm = orphans(2, 60)
    farm.submit("c1", planned("zlib"))
    assert "no book" not in told(farm)
    farm = orphans(4, 240)
    farm.submit("c1", planned("zlib"))
    assert "penstock pools clear burst" in told(farm)


def test_a_provider_that_is_back_is_not_spoken_of() -> None:
    farm = away()
    farm.provider = Simulated(BURST, farm.clock.monotonic_ms)
    farm.hub = replace(farm.hub, providers={"burst": farm.provider})
    farm.again()
    for _ in range(4):
        farm.tick(30_000)
    assert "answer" not in notes(farm)


class TestMachines:
    def drained(self, **pool: object) -> tuple[TestFarm, Agent]:
        farm = TestFarm()
        agent = Agent(farm, "m1")
        farm.submit("c1", planned("zlib"))
        farm.tick()
        agent.start()
        return farm, agent

    def test_one_that_drains_says_who_said_so_and_how_to_take_it_back(self) -> None:
        farm, agent = self.drained()
        people.drain(farm.hub, agent.machine.id, "drained by ada: new fan")
        assert outlook(farm) == (
            "drained by ada: new fan; ends 1 job, then takes nothing, "
            f"unless somebody says penstock drain --lift {agent.machine.id}"
        )
        people.undrain(farm.hub, agent.machine.id, "drain taken back by bob")
        assert outlook(farm) == "drain taken back by bob; takes the next job as a slot is free"

    def test_one_that_is_retired(self) -> None:
        farm, agent = self.drained()
        retire(farm.hub, agent.machine.id, "retired by ada: sold")
        assert outlook(farm).endswith("ends 1 job, then leaves the farm")

    def test_one_whose_agent_is_silent(self) -> None:
        farm, _ = self.drained()
        farm.pass_time(120_000)
        assert outlook(farm).startswith("no word from its agent; ")
        assert outlook(farm).endswith("takes nothing until its agent is heard again")

    def test_one_that_was_lost_is_the_reason_of_what_ran_there(self) -> None:
        farm = rented()
        _, attempt = farm.started()
        farm.provider._machines.clear()
        for _ in range(10):
            farm.tick(30_000)
        assert farm.get(Machine, attempt.machine).power == Power.GONE
        assert re.search(
            r"Attempt 1 on burst-.* of pool burst ended as PREEMPTED after .* s: machine gone: its provider does not list it any more",
            told(farm),
        )

    def test_one_that_does_not_come_says_when_it_is_given_back(self) -> None:
        farm = rented(pools=(msgspec.structs.replace(BURST, boot=Quantiles(30_000, 60_000)),))
        farm.provider.weather = Weather(boot_failed=1.0)
        waits(farm, 40)
        assert re.search(
            r"takes jobs when it is up; given back in \d+ (s|min) if it is not$", outlook(farm), re.M
        )


class TestSwitched:
    def off(self) -> Switched:
        """Both machines sleep."""
        farm = Switched()
        farm.until(lambda: farm.powers() == [Power.SUSPENDED] * 2)
        return farm

    def line(self, farm: Switched, name: str) -> str:
        one = next(one for one in machines_view(farm.hub)["machines"] if one["name"] == name)
        return f"{one['reason']}; {one['next']}"

    def test_one_that_sleeps(self) -> None:
        assert self.line(self.off(), "m1") == "; is switched on when jobs need it"

    def test_one_whose_switch_fails_says_when_it_is_tried_again(self) -> None:
        farm = self.off()
        for switch in farm.switches.values():
            switch.broken = UNHEARD
        farm.submit("c1", planned("zlib"))
        farm.until(lambda: any("could not be switched on" in one for one in farm.alerts()))
        said = [self.line(farm, name) for name in ("m1", "m2")]
        assert any(
            re.fullmatch(
                r"could not be switched on: .*no answer; may be switched on again in (10|9) min, or when its silent switch answers",
                one,
            )
            for one in said
        ), said

    def test_one_that_somebody_switched_off_is_left_to_them(self) -> None:
        farm = Switched()
        farm.switches["m1"].has_power = False
        farm.until(lambda: farm.machine("m1").power == Power.SUSPENDED)
        assert self.line(farm, "m1") == (
            "it was switched off, not by this farm; stays off until somebody switches it on and its agent calls"
        )

    def test_one_that_is_quarantined_stays_off(self) -> None:
        farm = self.off()
        people.quarantine(farm.hub, farm.machine("m1").id, "smoke")
        assert self.line(farm, "m1") == "smoke; stays off, takes nothing until somebody trusts it again"
