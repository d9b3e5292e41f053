"""Simulated jobs a second, beside SimPy 4 with the same farm written for it and beside a bare heap. Medians of three.

A made-up history: Poisson arrivals, exponential durations of ten minutes, a load of 20; 10 owned machines and a cloud
that boots in 90 s, resumes in 45 s and is paid by the second. Lines and their digest are part of what is measured.
"""

import heapq
import json
import random
import statistics
import subprocess
import time
from array import array
from pathlib import Path

from bench.buildbot import PLACE, installed
from penstock.model.rules import Billing, Pool, Quantiles, Rules
from penstock.model.trial import Policy
from penstock.model.workload import UNKNOWN, Workload
from penstock.policy.capacity.setting import break_even_ms
from penstock.sim.run import simulate

JOBS, PEER_JOBS, PENSTOCK_JOBS, RUNS = 250_000, 50_000, 20_000, 3
LOAD, MEAN_MS, OWNED = 20, 600_000, 10
PEER = Path(__file__).with_name("simulator_peer.py")
BURST = Pool(
    name="burst",
    provider="ec2",
    platforms=("any",),
    price_per_hour_micros=403_200,
    stopped_price_per_hour_micros=10_960,
    boot=Quantiles(90_000, 90_000),
    resume=Quantiles(45_000, 45_000),
    billing=Billing(granularity_ms=1000, minimum_ms=60_000),
)
RULES = Rules(pools=(Pool(name="own", provider="owned", platforms=("any",), machines=OWNED), BURST))


def run() -> dict[str, object]:
    """Jobs per second, and the ratio to each peer."""
    simulate(_history(5_000), RULES, Policy(preset="burst-at-once"))  # compiled before it is measured
    preset, ours = _speed(JOBS, "burst-at-once")
    heap = _median([_heap(JOBS) for _ in range(RUNS)])
    peer, theirs = _peer()
    return {
        "preset burst-at-once, jobs/s": preset,
        "policy penstock, jobs/s": _speed(PENSTOCK_JOBS, "penstock")[0],
        "bare heapq, three events a job, jobs/s": heap,
        "SimPy 4, the same farm, jobs/s": peer,
        "preset against SimPy, times": round(preset / peer, 1) if isinstance(peer, int) else "-",
        "mean wait of the preset / of SimPy's farm, s": f"{ours:.1f} / {theirs:.1f}" if theirs else "-",
    }


def _speed(jobs: int, preset: str) -> tuple[int, float]:
    """Jobs a second, and the mean wait in seconds of as many jobs as the peer has."""
    history = _history(jobs)
    speeds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        outcome = simulate(history, RULES, Policy(preset=preset))
        speeds.append(jobs / (time.perf_counter() - begun))
    few = min(jobs, PEER_JOBS)
    waits = [s - r for s, r in zip(outcome.first_start_ms[:few], outcome.ready_ms[:few], strict=True)]
    return _median(speeds), statistics.fmean(waits) / 1000


def _peer() -> tuple[int | str, float]:
    if why := installed():
        return why, 0.0
    stop_ms, gone_ms = break_even_ms(BURST, 0)
    history = _history(PEER_JOBS)
    given = {
        "jobs": list(zip(history.submitted_ms, history.duration_ms, strict=True)),
        "owned": OWNED,
        "boot_ms": BURST.boot.p50_ms,
        "resume_ms": 45_000,
        "stop_ms": stop_ms,
        "gone_ms": gone_ms,
        "minimum_ms": BURST.billing.minimum_ms,
        "price": BURST.price_per_hour_micros,
        "stopped_price": BURST.stopped_price_per_hour_micros,
    }
    words = [str(PLACE / "bin/python"), str(PEER)]
    told = [
        json.loads(
            subprocess.run(words, input=json.dumps(given), check=True, capture_output=True, text=True).stdout
        )
        for _ in range(RUNS)
    ]
    return _median([PEER_JOBS / one["seconds"] for one in told]), told[0]["mean_wait_ms"] / 1000


def _heap(jobs: int) -> float:
    history = _history(jobs)
    begun = time.perf_counter()
    events = [
        (at_ms, 0, lasts_ms)
        for at_ms, lasts_ms in zip(history.submitted_ms, history.duration_ms, strict=True)
    ]
    heapq.heapify(events)
    while events:
        at_ms, kind, lasts_ms = heapq.heappop(events)
        if kind == 0:
            heapq.heappush(events, (at_ms, 1, lasts_ms))
        elif kind == 1:
            heapq.heappush(events, (at_ms + lasts_ms, 2, 0))
    return jobs / (time.perf_counter() - begun)


def _median(values: list[float]) -> int:
    return round(statistics.median(values))


def _history(jobs: int) -> Workload:
    chance, at_ms = random.Random(1), 0.0
    submitted, durations, names = array("q"), array("q"), array("q")
    for _ in range(jobs):
        at_ms += chance.expovariate(LOAD / MEAN_MS)
        submitted.append(int(at_ms))
        durations.append(int(chance.expovariate(1 / MEAN_MS)) + 1)
        names.append(chance.randrange(20))
    blank = array("q", [0]) * jobs
    return Workload(
        ids=[f"job-{row}" for row in range(jobs)],
        submitted_ms=submitted,
        duration_ms=durations,
        started_ms=array("q", [UNKNOWN]) * jobs,
        name=names,
        project=blank,
        klass=blank,
        platform=blank,
        branch=blank,
        cores=blank,
        memory_mb=blank,
        needs_from=array("q"),
        needs=array("q"),
        names=[f"name-{row}" for row in range(20)],
        projects=["p"],
        classes=["change"],
        platforms=["any"],
        branches=["main"],
    )
