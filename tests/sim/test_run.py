"""Whole runs: nothing is lost or counted twice, and everything can be recomputed from the lines."""

import hashlib
from collections import defaultdict

import pytest
from sim.worlds import EPOCH_MS, FARM, Line, bill, burst, busy_days, history, own, run

from penstock.model.outcome import Outcome
from penstock.model.rules import Quantiles, Rules
from penstock.model.trial import Policy
from penstock.model.workload import Workload
from penstock.policy.capacity.preset_numbers import PRESETS
from penstock.sim.laying import NEEDS_DROPPED
from penstock.sim.run import simulate

KINDS_OF_PRESETS = ("burst-at-once", "mozilla-2012", "taskcluster", "cluster-autoscaler", "last-moment")


@pytest.fixture(scope="module", params=KINDS_OF_PRESETS)
def done(request: pytest.FixtureRequest) -> tuple[Workload, Outcome, list[Line]]:
    workload = busy_days(600)
    return workload, *run(workload, preset=request.param)


Done = tuple[Workload, Outcome, list[Line]]


def test_every_job_ends_once_after_it_ran_in_full(done: Done) -> None:
    workload, outcome, lines = done
    assert all(end_ms > 0 for end_ms in outcome.end_ms)
    ends = [line["job"] for line in lines if line["kind"] == "end"]
    assert sorted(ends) == sorted(workload.ids)
    assert list(outcome.ran_ms) == list(workload.duration_ms)
    last = {line["job"]: line["t_ms"] for line in lines if line["kind"] == "start"}
    first_jobs = _first_jobs(lines)
    for row, job in enumerate(workload.ids):
        cold_ms = 60_000 if (job, last[job]) in first_jobs else 0
        assert outcome.end_ms[row] == last[job] + workload.duration_ms[row] + cold_ms


def _first_jobs(lines: list[Line]) -> set[tuple[str, int]]:
    """Which starts were the first on a rented machine."""
    seen: set[str] = set()
    found = set()
    for line in lines:
        if line["kind"] == "start" and not line["machine"].startswith("own") and line["machine"] not in seen:
            seen.add(line["machine"])
            found.add((line["job"], line["t_ms"]))
    return found


def test_nothing_starts_before_what_it_needs_has_ended(done: Done) -> None:
    workload, outcome, _ = done
    for row in range(workload.jobs):
        needs = workload.needs[workload.needs_from[row] : workload.needs_from[row + 1]]
        ready_ms = max([workload.submitted_ms[row], *(outcome.end_ms[need] for need in needs)])
        assert outcome.ready_ms[row] == ready_ms
        assert outcome.first_start_ms[row] >= ready_ms


def test_a_slot_has_one_job_and_a_pool_no_more_machines_than_it_may_have(done: Done) -> None:
    _, outcome, lines = done
    slots = {pool.name: pool.slots for pool in FARM.pools}
    most = {pool.name: pool.max for pool in FARM.pools}
    on: dict[str, set[str]] = defaultdict(set)
    there: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        machine, pool = line["machine"], line["pool"]
        if line["kind"] == "start":
            assert machine in there[pool] or pool == "own"
            on[machine].add(line["job"])
            assert len(on[machine]) <= slots[pool]
        elif line["kind"] == "end":
            on[machine].remove(line["job"])
        elif line["kind"] == "request":
            there[pool].add(machine)
            assert most[pool] is None or len(there[pool]) <= most[pool]
        elif line["kind"] == "gone":
            there[pool].remove(machine)
            on[machine].clear()
        elif line["kind"] == "suspend":
            assert not on[machine]
    assert not any(there.values())
    assert max(outcome.peaks) > 0


def test_the_bill_can_be_recomputed_from_the_lines(done: Done) -> None:
    _, outcome, lines = done
    paid = bill(lines, FARM)
    for name, costs in zip(outcome.pools, outcome.costs, strict=True):
        assert costs.running + costs.stopped == paid.get(name, 0)
        assert 0 <= costs.idle + costs.lifecycle <= costs.running
    assert sum(paid.values()) > 0


def test_little_s_law_holds_on_every_pool(done: Done) -> None:
    """Time in jobs, summed over jobs, is the number of jobs running, summed over time."""
    _, outcome, lines = done
    area: dict[str, int] = defaultdict(int)
    busy: dict[str, int] = defaultdict(int)
    on: dict[str, int] = defaultdict(int)
    at_ms = EPOCH_MS
    for line in lines:
        for pool in busy:
            area[pool] += busy[pool] * (line["t_ms"] - at_ms)
        at_ms, machine = line["t_ms"], line["machine"]
        if line["kind"] == "start":
            busy[line["pool"]] += 1
            on[machine] += 1
        elif line["kind"] == "end":
            busy[line["pool"]] -= 1
            on[machine] -= 1
        elif line["kind"] == "gone":
            busy[line["pool"]] -= on.pop(machine, 0)
    assert [area[pool] for pool in outcome.pools] == list(outcome.work_ms)


def test_the_digest_is_of_the_lines() -> None:
    told: list[bytes] = []
    outcome = simulate(busy_days(60), FARM, Policy(preset="burst-at-once"), sink=told.append)
    assert outcome.digest == "sha256:" + hashlib.sha256(b"".join(told)).hexdigest()
    assert b"".join(told).startswith(b'{"t_ms":1700000626718,"kind":"submit","job":"job-0","attempt":null,')


@pytest.mark.parametrize("preset", ["penstock", *KINDS_OF_PRESETS])
def test_what_comes_later_changes_nothing_before(preset: str) -> None:
    whole = busy_days(400)
    cut = 250
    until_ms = whole.submitted_ms[cut]
    other = history(
        [
            (at - EPOCH_MS + (row >= cut) * 5000, lasts * (1 + 2 * (row >= cut)))
            for row, (at, lasts) in enumerate(zip(whole.submitted_ms, whole.duration_ms, strict=True))
        ],
        name=list(whole.name),
        platform=list(whole.platform),
        cores=list(whole.cores),
        needs=[list(whole.needs[whole.needs_from[r] : whole.needs_from[r + 1]]) for r in range(400)],  # type: ignore[arg-type]
    )
    early = [
        [line for line in run(workload, preset=preset)[1] if line["t_ms"] < until_ms]
        for workload in (whole, other)
    ]
    assert early[0] == early[1]
    assert len(early[0]) > 500


def test_jobs_that_no_pool_suits_are_dropped_and_those_that_need_them() -> None:
    workload = history([(0, 5), (1, 5), (2, 5), (3, 5)], platform=[0, 1, 0, 0], needs=[[], [], [1], [2]])  # type: ignore[list-item]
    outcome, lines = run(workload, Rules(pools=(own(1, platforms=("deb",)),)))
    assert outcome.dropped == {"no pool has its platform": 1, NEEDS_DROPPED: 2}
    assert list(outcome.end_ms) == [EPOCH_MS + 5, -1, -1, -1]
    assert [line["job"] for line in lines] == ["job-0"] * 3


@pytest.mark.parametrize("machines", [1, 4])
def test_owned_machines_alone_serve_in_order_as_kiefer_and_wolfowitz_say(machines: int) -> None:
    given = busy_days(500, load=machines * 0.9)
    rows = list(zip([at - EPOCH_MS for at in given.submitted_ms], given.duration_ms, strict=True))
    outcome, _ = run(history(rows), Rules(pools=(own(machines),)))
    free = [0] * machines
    waits = []
    for at, lasts in rows:
        free.sort()
        begins = max(at, free[0])
        free[0] = begins + lasts
        waits.append(begins - at)
    assert [s - r for s, r in zip(outcome.first_start_ms, outcome.ready_ms, strict=True)] == waits
    assert sum(waits) > 0


def test_with_a_cloud_that_is_there_at_once_nobody_waits_and_only_what_overflows_is_rented() -> None:
    given = busy_days(500, load=5)
    rows = list(zip([at - EPOCH_MS for at in given.submitted_ms], given.duration_ms, strict=True))
    cloud = burst(
        boot=Quantiles(),
        resume=None,
        suspend_ms=0,
        delete_ms=0,
        cold_cache_ms=0,
        stopped_price_per_hour_micros=None,
    )
    outcome, _ = run(history(rows), Rules(pools=(own(3), cloud)))
    assert list(outcome.first_start_ms) == list(outcome.ready_ms)
    free, rented = [0, 0, 0], 0
    for at, lasts in rows:
        free.sort()
        if free[0] <= at:
            free[0] = at + lasts
        else:
            rented += lasts
    assert outcome.work_ms[1] == rented > 0


def test_every_preset_finishes() -> None:
    workload = busy_days(150)
    for preset in PRESETS:
        outcome, _ = run(workload, preset=preset)
        assert min(outcome.end_ms) > 0, preset
