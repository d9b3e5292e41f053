"""What would become of the queue if a guard fired: where each job starts, and when, by hand."""

import msgspec
import pytest
from virtual import machine, queued

from penstock.model.curb import Curb
from penstock.model.job import Job
from penstock.model.rules import Pool, Quantiles
from penstock.model.snapshot import PoolFacts, Snapshot, groups_of
from penstock.model.units import Size
from penstock.policy.budgets.trial import Hall, Moved, Place, tried
from penstock.policy.expectation import Busy, Duration, expect, starts
from penstock.policy.suitability import refusals

OWN = Pool(name="own", provider="owned", platforms=("linux",))
BURST = Pool(
    name="burst", provider="simulated", platforms=("linux",), boot=Quantiles(30_000, 40_000), slots=2
)
BARRED = Curb(guard="g", barred=("burst",), exempt=("release",))
THROTTLED = Curb(guard="g", most=(("burst", 0),), exempt=("release",))
MINUTE_MS = 60_000


def place(pool: str, at_ms: int, ordered: bool = False) -> Place:
    return Place(pool=pool, ordered=ordered, p50_ms=at_ms, p90_ms=at_ms)


def scene(count: int, *machines, klass: str = "change", pools=(OWN, BURST)):  # type: ignore[no-untyped-def]
    """So many jobs of a minute each, and these machines."""
    jobs: list[Job] = [queued(f"j{number}", klass=klass) for number in range(count)]
    groups, _ = groups_of(jobs, 0)
    facts = {pool.name: PoolFacts(name=pool.name) for pool in pools}
    durations = {job.id: Duration(mean_ms=MINUTE_MS, runs=3) for job in jobs}
    return Snapshot(now_ms=0, groups=groups, machines=machines, pools=facts), durations


def moved(count: int, curb: Curb, *machines, at_work: int = 0, pools=(OWN, BURST), **about):  # type: ignore[no-untyped-def]
    snapshot, durations = scene(count, *machines, pools=pools, **about)
    hall = Hall(pools=pools, at_work={"burst": at_work}, busy=(), durations=durations)
    return tried(snapshot, curb, hall)


def test_what_would_be_rented_goes_to_owned_machines_later() -> None:
    own = machine("m1", slots=1, pool="own")
    assert moved(3, BARRED, own) == (
        Moved(job="j1", before=place("burst", 40_000, True), after=place("own", MINUTE_MS)),
        Moved(job="j2", before=place("burst", 40_000, True), after=place("own", 2 * MINUTE_MS)),
    )
    assert moved(3, BARRED, own, klass="release") == ()


def test_what_nothing_else_takes_waits() -> None:
    assert moved(1, THROTTLED) == (Moved(job="j0", before=place("burst", 40_000, True), after=None),)
    assert moved(0, THROTTLED) == ()


@pytest.mark.parametrize(
    ("most", "at_work", "waiting"), [(3, 0, 0), (2, 0, 1), (2, 1, 3), (2, 2, 5), (2, 9, 5)]
)
def test_so_many_machines_may_be_at_work(most: int, at_work: int, waiting: int) -> None:
    """Five jobs on machines of two slots: those beyond wait for these."""
    curb = Curb(guard="g", most=(("burst", most),))
    found = moved(5, curb, at_work=at_work)
    assert len(found) == waiting
    assert all((one.after is None) == (at_work >= most) for one in found)


def test_a_pool_has_no_more_machines_than_it_may() -> None:
    few = msgspec.structs.replace(BURST, max=1)
    curb = Curb(guard="g", most=(("burst", 7),))
    assert moved(5, curb, pools=(few,)) == ()
    assert len(moved(5, THROTTLED, pools=(few,))) == 5
    assert moved(5, THROTTLED, pools=(few,), at_work=1) == ()


def test_jobs_go_on_where_machines_are_up() -> None:
    up = machine("b1", slots=1, pool="burst")
    (one,) = moved(2, THROTTLED, up, at_work=1)
    assert one == Moved(job="j1", before=place("burst", 40_000, True), after=place("burst", MINUTE_MS))


def test_what_a_pool_cannot_take_is_not_rented_for() -> None:
    small = msgspec.structs.replace(BURST, size=Size(1, 512))
    assert moved(2, BARRED, pools=(small,)) == ()


def test_all_starts_agree_with_one_expectation() -> None:
    machines = (machine("m1", slots=1, pool="own"), machine("m2", slots=2, pool="own"))
    snapshot, durations = scene(8, *machines)
    long = Duration(mean_ms=90_000, spread_ms=10_000, runs=2)
    busy = [Busy(machine="m1", project="", size=Size(1, 1024), left=long)]
    found = starts(snapshot, busy, durations, {}, lambda ask, one: not refusals(ask, one, snapshot))
    assert len(found) == 8
    for job, start in found.items():
        alone = expect(snapshot, snapshot.groups[0].ask, job, busy, durations)
        assert alone is not None
        assert (start.p50_ms, start.p90_ms) == (alone.p50_ms, alone.p90_ms)
    assert starts(snapshot, busy, durations, {}, lambda ask, one: False) == {}
    late = starts(snapshot, (), durations, {"m1": 10**6, "m2": 5}, lambda ask, one: True)
    assert {start.machine for start in late.values()} == {"m2"}
    assert min(start.p50_ms for start in late.values()) == 5
