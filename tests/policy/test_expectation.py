"""When a job is expected to start: exact where durations are, honest where they are not."""

from random import Random
from statistics import median

import msgspec
import pytest
from virtual import Virtual, machine, queued

from penstock.model.estimate import Estimate, learnt
from penstock.model.snapshot import ask_of
from penstock.model.units import Size
from penstock.policy.expectation import Busy, Duration, Expected, duration, expect, left

NONE = Estimate(project="", name="", platform="linux")


def runs(*took_ms: int) -> Estimate:
    found = NONE
    for one_ms in took_ms:
        found = learnt(found, one_ms)
    return found


def test_a_duration_is_of_its_own_runs_then_of_its_platform_then_the_limit() -> None:
    own, others = runs(1000, 3000, 2000), runs(8000, 8000)
    assert duration(own, others, 60_000) == Duration(mean_ms=2000, spread_ms=816, runs=3)
    assert duration(runs(1000), others, 60_000) == Duration(mean_ms=1000, spread_ms=250, runs=1)
    assert duration(None, others, 60_000) == Duration(mean_ms=8000, spread_ms=2000)
    assert duration(NONE, others, 5000) == Duration(mean_ms=5000, spread_ms=1250)
    assert duration(NONE, NONE, 60_000) == Duration(mean_ms=60_000)
    assert duration(None, None, 60_000) == Duration(mean_ms=60_000)


def test_what_has_run_longer_than_usual_goes_on_for_as_long_as_its_kind_differs() -> None:
    whole = Duration(mean_ms=60_000, spread_ms=9000, runs=4)
    assert left(whole, 50_000) == Duration(mean_ms=10_000, spread_ms=9000, runs=4)
    assert left(whole, 55_000).spread_ms == 5000
    assert left(whole, 60_000).mean_ms == 9000
    assert left(Duration(mean_ms=60_000), 70_000).mean_ms == 6000
    assert left(Duration(mean_ms=2000), 70_000).mean_ms == 1000


def asked(farm: Virtual, target: str, spread_ms: int = 0) -> Expected | None:
    """The expectation of a job, with durations as they will be."""
    snapshot = farm.snapshot()
    known = {
        name: Duration(mean_ms=takes, spread_ms=spread_ms, runs=1) for name, takes in farm.takes_ms.items()
    }
    busy = [
        Busy(
            machine=where,
            project=job.project,
            size=job.spec.size,
            left=left(known[name], farm.now_ms - farm.started[name]),
        )
        for name, (job, where, _) in farm.running.items()
    ]
    return expect(snapshot, ask_of(farm.queue[target]), target, busy, known)


def test_room_now_is_a_start_now() -> None:
    farm = Virtual(machine())
    farm.add(queued("a"), 1000)
    assert asked(farm, "a") == Expected(p50_ms=0, p90_ms=0, before=0)


def test_those_before_it_start_one_after_the_other() -> None:
    farm = Virtual(machine(slots=1))
    farm.add(queued("runs"), 5000)
    farm.place()
    for number, takes_ms in enumerate((10_000, 20_000)):
        farm.add(queued(f"q{number}", now_ms=number), takes_ms)
    farm.add(queued("late", now_ms=9), 1)
    found = asked(farm, "late", spread_ms=3000)
    # Three durations that each differ by 3 s: together by 3 s times the root of 3.
    assert found == Expected(p50_ms=35_000, p90_ms=35_000 + 5196 * 128 // 100, before=2, learnt=3)


def test_what_needs_other_machines_is_not_before_it() -> None:
    farm = Virtual(machine("m1", slots=1, trust=("untrusted",)), machine("m2", slots=1, trust=("trusted",)))
    farm.add(queued("a"), 5000)
    farm.add(queued("b", now_ms=5), 5000)
    other = queued("other")
    other = msgspec.structs.replace(other, spec=msgspec.structs.replace(other.spec, trust="trusted"))
    farm.add(other, 99_000)
    assert asked(farm, "b") == Expected(p50_ms=5000, p90_ms=5000, before=1, learnt=1)


def test_nobody_takes_it() -> None:
    farm = Virtual(machine(accepting=False))
    farm.add(queued("a"), 1)
    assert asked(farm, "a") is None


def test_who_is_not_among_those_looked_at_is_behind_them_all() -> None:
    farm = Virtual(machine(slots=1))
    farm.add(queued("a"), 7000)
    known = {"a": Duration(mean_ms=7000)}
    found = expect(farm.snapshot(), ask_of(queued("z", now_ms=9)), "z", [], known)
    assert found == Expected(p50_ms=7000, p90_ms=7000, before=1, sure=False, assumed=1)


def test_a_busy_machine_that_is_gone_holds_nobody_up() -> None:
    farm = Virtual(machine())
    gone = Busy(machine="m9", project="", size=Size(1, 1), left=Duration(mean_ms=5))
    found = expect(farm.snapshot(), ask_of(queued("a")), "a", [gone], {})
    assert found == Expected(p50_ms=0, p90_ms=0, before=0, sure=False)


def loaded(seed: int) -> Virtual:
    """Five machines of four cores, two projects, 120 jobs of all sizes and classes in the queue."""
    chance = Random(seed)
    farm = Virtual(*(machine(f"m{n}") for n in range(5)), shares={"a": 2})
    for number in range(140):
        about = {
            "project": chance.choice("ab"),
            "klass": chance.choice(["change", "change", "try"]),
            "cores": chance.choice([1, 1, 1, 2, 4]),
            "credit_s": chance.choice([0, 61]),
        }
        job = queued(f"j{number:03}", now_ms=chance.randint(0, 60_000), **about)
        farm.add(job, chance.randint(60, 1200) * 1000)
    farm.place()
    return farm


@pytest.mark.parametrize("seed", range(3))
def test_with_durations_known_the_expected_start_is_near_the_actual_one(seed: int) -> None:
    """The order is that of placement, shares, classes and reservations included; what is not the same is that
    list scheduling lets nobody overtake on one machine."""
    farm = loaded(seed)
    said = {name: asked(farm, name) for name in farm.queue}
    begin_ms = farm.now_ms
    while farm.step():
        pass
    off = [abs(found.p50_ms - (farm.started[name] - begin_ms)) for name, found in said.items() if found]
    span_ms = max(farm.started.values()) - begin_ms
    print(f"median off {median(off) / 1000:.0f} s of {span_ms / 1000:.0f} s")
    assert len(off) == len(said)
    assert median(off) < 0.05 * span_ms
