"""Closed forms of queueing theory, met by the simulator: what it computes is what the textbooks compute.

Each case is a farm whose law is known exactly. Seeds are fixed, so a figure is the same in every run; how far it may
be from the closed form is four standard errors of the seeds used, at most what is written beside it.
"""

from array import array
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from penstock.model.outcome import Outcome
from penstock.model.rules import Pool, Quantiles, Rules
from penstock.model.trial import Policy
from penstock.model.workload import Workload
from penstock.sim import faults, laying
from penstock.sim.engine.world import TIMES
from penstock.sim.quantiles import EXPONENTIAL_UNIT, exponential
from penstock.sim.run import simulate

UNIT_MS = 1_000_000
"""The mean duration of a job unless a case says otherwise: rounding to milliseconds is then a millionth."""
MINUTE_MS = 60_000
Draw = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def exponential_jobs(
    chance: np.random.Generator, jobs: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return chance.exponential(1.0, jobs)


def lognormal_jobs(chance: np.random.Generator, jobs: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return chance.lognormal(-0.5, 1.0, jobs)


def poisson(
    jobs: int, load: float, seed: int, mean_ms: int = UNIT_MS, law: Draw = exponential_jobs
) -> Workload:
    """Arrivals at random, `load` of them in the mean time that one lasts."""
    chance = np.random.default_rng(seed)
    submitted = np.cumsum(chance.exponential(mean_ms / load, jobs)).astype(np.int64)
    durations = np.maximum(1, np.rint(law(chance, jobs) * mean_ms)).astype(np.int64)
    return workload(submitted.tolist(), durations.tolist())


def workload(submitted_ms: list[int], duration_ms: list[int]) -> Workload:
    """Jobs that are all alike but for their times."""
    jobs = len(submitted_ms)
    same = array("q", bytes(8 * jobs))
    return Workload(
        ids=[str(row) for row in range(jobs)],
        submitted_ms=array("q", submitted_ms),
        duration_ms=array("q", duration_ms),
        started_ms=array("q", [-1]) * jobs,
        name=same,
        project=same,
        klass=same,
        platform=same,
        branch=same,
        cores=same,
        memory_mb=same,
        needs_from=array("q"),
        needs=array("q"),
        names=["job"],
        projects=[""],
        classes=[""],
        platforms=["any"],
        branches=[""],
    )


def own(machines: int) -> Pool:
    return Pool(name="own", provider="owned", platforms=("any",), machines=machines)


def cloud(boot_ms: float = 0, most: int | None = None) -> Pool:
    """Rented at one unit of money per hour."""
    boot = Quantiles(round(boot_ms), round(boot_ms))
    price = {"price_per_hour_micros": 1_000_000, "boot": boot, "max": most}
    return Pool(name="cloud", provider="ec2", platforms=("any",), **price)


def run(jobs: Workload, *pools: Pool, preset: str = "stop-when-idle", **numbers: int) -> Outcome:
    return simulate(jobs, Rules(pools=pools), Policy(name=preset, preset=preset, numbers=numbers))


def waits(done: Outcome) -> float:
    return float((np.array(done.first_start_ms) - np.array(done.ready_ms)).mean())


def meets(found: list[float], wanted: float, at_most: float) -> bool:
    """Whether the mean of some seeds is within four standard errors of the closed form, and `at_most` of it."""
    error = float(np.std(found, ddof=1)) / len(found) ** 0.5
    off = abs(float(np.mean(found)) - wanted)
    return off <= 4 * error and off <= at_most * wanted


def erlang_b(servers: int, load: float) -> float:
    blocked = 1.0
    for one in range(1, servers + 1):
        blocked = load * blocked / (one + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


def test_the_formulas_themselves() -> None:
    assert erlang_b(5, 3) == pytest.approx(81 / 736, abs=1e-12)
    assert erlang_b(10, 5) == pytest.approx(0.01838457, abs=5e-9)
    assert [erlang_c(2, 1), erlang_c(3, 2)] == pytest.approx([1 / 3, 4 / 9], abs=1e-12)
    listed = {(5, 4): 0.55411255, (10, 8): 0.40918015, (10, 9): 0.66873152, (50, 45): 0.36386447}
    for (servers, load), value in listed.items():
        assert erlang_c(servers, load) == pytest.approx(value, abs=5e-9)
    assert erlang_c(100, 90) == pytest.approx(0.21694048, abs=5e-9)


@pytest.mark.parametrize("preset", ["stop-when-idle", "penstock"])
@pytest.mark.parametrize(("servers", "load"), [(2, 1), (3, 2), (5, 4), (10, 8), (50, 45)])
def test_owned_machines_alone_are_erlangs_queue(servers: int, load: float, preset: str) -> None:
    jobs = 10_000
    dones = [run(poisson(jobs, load, seed), own(servers), preset=preset) for seed in range(6)]
    wanted = erlang_c(servers, load) / (servers - load)
    assert meets([waits(done) / UNIT_MS for done in dones], wanted, 0.4)
    waited = [float((np.array(done.first_start_ms) > np.array(done.ready_ms)).mean()) for done in dones]
    assert meets(waited, erlang_c(servers, load), 0.15)


def overflow(servers: int, load: float) -> tuple[float, float]:
    """Mean and variance of what a cloud without limit carries of what does not find an owned machine free."""
    mean = load * erlang_b(servers, load)
    return mean, mean * (1 - mean + load / (servers + 1 + mean - load))


def carried(done: Outcome) -> tuple[float, float]:
    """Time averages of how many jobs run in the cloud, and of its square."""
    there = np.array(done.pool) == 1
    start, end = np.array(done.first_start_ms)[there], np.array(done.end_ms)[there]
    moments = np.concatenate((start, end))
    order = np.argsort(moments, kind="stable")
    running = np.cumsum(np.concatenate((np.ones(len(start)), -np.ones(len(end))))[order])[:-1]
    spans = np.diff(moments[order])
    whole = done.ended_ms - done.begun_ms
    mean = float((running * spans).sum()) / whole
    return mean, float((running**2 * spans).sum()) / whole - mean**2


@pytest.mark.parametrize(
    ("servers", "load", "mean", "variance"),
    [
        (10, 8, 0.97328851, 1.985661),
        (10, 12, 3.62310048, 7.070982),
        (20, 15, 0.68389823, 1.750985),
        (40, 45, 8.30517505, 26.139389),
    ],
)
def test_what_overflows_into_an_instant_cloud(
    servers: int, load: float, mean: float, variance: float
) -> None:
    assert overflow(servers, load) == pytest.approx((mean, variance), rel=5e-7)
    found = [carried(run(poisson(10_000, load, seed), own(servers), cloud())) for seed in range(6)]
    assert meets([one for one, _ in found], mean, 0.1)
    assert meets([two for _, two in found], variance, 0.3)


def test_how_much_overflows_does_not_depend_on_the_law_of_durations() -> None:
    dones = [run(poisson(10_000, 8, seed, law=lognormal_jobs), own(10), cloud()) for seed in range(6)]
    assert meets([float((np.array(done.pool) == 1).mean()) for done in dones], erlang_b(10, 8), 0.08)


def stays(done: Outcome) -> float:
    return float((np.array(done.end_ms) - np.array(done.ready_ms)).mean()) / UNIT_MS


@pytest.mark.parametrize(("setup", "wanted"), [(1.0, 2 + 5 / 6), (10.0, 7 + 5 / 6)])
def test_one_machine_that_boots_for_the_same_time_whenever_work_comes(setup: float, wanted: float) -> None:
    dones = [run(poisson(10_000, 0.5, seed), cloud(setup * UNIT_MS, most=1)) for seed in range(6)]
    assert meets([stays(done) for done in dones], wanted, 0.05)


@pytest.fixture
def random_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boots last by the exponential law, with the pool's p50 as their mean, and however long it is, nobody gives up."""

    def drawn(time: Quantiles) -> list[int]:
        return [value * time.p50_ms // EXPONENTIAL_UNIT for value in exponential()]

    monkeypatch.setattr(laying, "lognormal_ms", drawn)
    monkeypatch.setattr(faults, "SHORTEST_LIMIT_MS", 2**60)
    monkeypatch.setattr(faults, "LONGEST_LIMIT_MS", 2**60)


@pytest.mark.usefixtures("random_boots")
@pytest.mark.parametrize(("setup", "wanted"), [(1.0, 3.0), (10.0, 12.0)])
def test_one_machine_that_boots_for_a_random_time(setup: float, wanted: float) -> None:
    dones = [run(poisson(10_000, 0.5, seed), cloud(setup * UNIT_MS, most=1)) for seed in range(6)]
    assert meets([stays(done) for done in dones], wanted, 0.08)


@pytest.mark.parametrize(
    ("idle_minutes", "wait_minutes", "billed", "boots_a_day"),
    [
        (0, 32.92857, 0.523810, 11.4286),
        (5, 32.70471, 0.560209, 10.5550),
        (15, 32.30505, 0.625195, 8.9953),
        (60, 31.11080, 0.819383, 4.3348),
    ],
)
def test_one_machine_that_is_kept_for_a_while(
    idle_minutes: int, wait_minutes: float, billed: float, boots_a_day: float
) -> None:
    found = []
    for seed in range(6):
        jobs = poisson(10_000, 0.5, seed, mean_ms=30 * MINUTE_MS)
        idle_ms = idle_minutes * MINUTE_MS
        done = run(jobs, cloud(3 * MINUTE_MS, most=1), preset="burst-at-once", idle_s=idle_ms)
        hours = (done.ended_ms - done.begun_ms) / 3_600_000
        found.append(
            (waits(done) / MINUTE_MS, done.costs[0].running / 1e6 / hours, done.boots[0] / hours * 24)
        )
    assert meets([one[0] for one in found], wait_minutes, 0.08)
    assert meets([one[1] for one in found], billed, 0.04)
    assert meets([one[2] for one in found], boots_a_day, 0.05)


@pytest.mark.usefixtures("random_boots")
@pytest.mark.parametrize(
    ("most", "load", "setup", "wanted"),
    [(2, 1, 2, 46 / 17), (5, 3, 10, 4.14690096), (10, 7, 10, 3.05057131)],
)
def test_machines_that_boot_for_each_waiting_job_and_stop_when_idle(
    most: int, load: float, setup: float, wanted: float
) -> None:
    found = []
    for seed in range(6):
        found.append(stays(run(poisson(10_000, load, seed), cloud(setup * UNIT_MS, most=most), cancel=1)))
    assert meets(found, wanted, 0.06)


@pytest.mark.usefixtures("random_boots")
@pytest.mark.parametrize(
    ("load", "setup", "wanted"),
    [(1, 1.0, np.e / (np.e - 1)), (5, 10.0, 2.08566121), (60, 0.1, 30.86929772 / 30)],
)
def test_as_many_machines_as_jobs_that_boot_for_a_random_time(
    load: float, setup: float, wanted: float
) -> None:
    found = []
    for seed in range(6):
        found.append(stays(run(poisson(10_000, load, seed), cloud(setup * UNIT_MS), cancel=1)))
    assert meets(found, wanted, 0.03)


def ski_rental(gaps_ms: list[int], boot_ms: int, keep_ms: int) -> tuple[float, float]:
    """What gaps cost a machine that is kept for `keep_ms`, and what they cost at least; boots between them included."""
    submitted, now_ms = [0], boot_ms + 1000
    for gap_ms in gaps_ms:
        submitted.append(now_ms + gap_ms)
        now_ms = submitted[-1] + (boot_ms if gap_ms > keep_ms else 0) + 1000
    jobs = workload(submitted, [1000] * len(submitted))
    done = run(jobs, cloud(boot_ms, most=1), preset="burst-at-once", idle_s=keep_ms)
    paid_ms = done.costs[0].running * 3.6 - boot_ms - 1000 * len(submitted)
    return paid_ms, float(sum(min(gap_ms, boot_ms) for gap_ms in gaps_ms))


def test_to_keep_a_machine_for_as_long_as_it_boots_costs_at_most_twice_the_least() -> None:
    paid, least = ski_rental([600_001] * 50, 600_000, 600_000)
    assert paid / least == pytest.approx(2, abs=1e-4)
    paid, least = ski_rental([600_000] * 50, 600_000, 600_000)
    assert paid / least == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("boot_by_gap", "wanted"), [(0.1, 1.95083), (0.5, 1.77075), (1, 1.58198), (2, 1.31304), (5, 1.03392)]
)
def test_random_gaps_cost_a_known_share_more_than_the_least(boot_by_gap: float, wanted: float) -> None:
    assert 1 + boot_by_gap / np.expm1(boot_by_gap) == pytest.approx(wanted, abs=5e-6)
    ratios = []
    for seed in range(6):
        gaps = np.random.default_rng(seed).exponential(UNIT_MS, 2000).astype(np.int64) + 1
        paid, least = ski_rental(gaps.tolist(), round(boot_by_gap * UNIT_MS), round(boot_by_gap * UNIT_MS))
        ratios.append(paid / least)
    assert meets(ratios, wanted, 0.03)


def test_the_table_of_chance_has_the_mean_of_its_law() -> None:
    assert sum(exponential()) / TIMES == pytest.approx(EXPONENTIAL_UNIT, rel=2e-3)
    assert NormalDist().inv_cdf(0.95) == pytest.approx(1.644853627, abs=1e-9)
