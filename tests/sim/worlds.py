"""Small histories and farms for tests of the simulator, and what can be recomputed from the lines of a run."""

import json
import random
from array import array
from collections import defaultdict
from typing import Any

from penstock.model.outcome import Outcome
from penstock.model.rules import Billing, Pool, Quantiles, Rules
from penstock.model.trial import Faults, Policy
from penstock.model.units import charge_micros
from penstock.model.workload import UNKNOWN, Workload
from penstock.sim.run import simulate

EPOCH_MS = 1_700_000_000_000
PLATFORMS = ("deb", "win")
Line = dict[str, Any]


def history(rows: list[tuple[int, int]], **columns: list[int]) -> Workload:
    """Jobs by (submitted, duration) in ms; other columns by name, 0 where they are not given."""
    count = len(rows)
    blank = [0] * count
    needs: list[list[int]] = columns.pop("needs", [[] for _ in rows])  # type: ignore[assignment]
    starts = [0]
    for row in needs:
        starts.append(starts[-1] + len(row))
    flat = [need for row in needs for need in row]
    return Workload(
        ids=[f"job-{row}" for row in range(count)],
        submitted_ms=array("q", [EPOCH_MS + submitted for submitted, _ in rows]),
        duration_ms=array("q", [duration for _, duration in rows]),
        started_ms=array("q", [UNKNOWN] * count),
        **{
            name: array("q", columns.get(name, blank))
            for name in ("name", "project", "klass", "platform", "branch", "cores", "memory_mb")
        },
        needs_from=array("q", starts if flat else []),
        needs=array("q", flat),
        names=[f"name-{row}" for row in range(max(columns.get("name", [0]), default=0) + 1)],
        projects=["p"],
        classes=["change", "release"],
        platforms=PLATFORMS,
        branches=["main"],
    )


def busy_days(jobs: int, seed: int = 1, names: int = 5, load: float = 6.0) -> Workload:
    """Poisson arrivals in pushes, exponential durations of 10 minutes, on both platforms, some needing earlier ones."""
    chance = random.Random(seed)
    at_ms, rows, needs = 0.0, [], []
    for row in range(jobs):
        if chance.random() < 0.3:
            at_ms += chance.expovariate(0.3 * load / 600_000)
        rows.append((int(at_ms), int(chance.expovariate(1 / 600_000)) + 1))
        needs.append([chance.randrange(row)] if row > 5 and chance.random() < 0.1 else [])
    return history(
        rows,
        name=[chance.randrange(names) for _ in rows],
        platform=[int(chance.random() < 0.2) for _ in rows],
        cores=[chance.choice((0, 1, 2)) for _ in rows],
        needs=needs,  # type: ignore[arg-type]
    )


def own(machines: int, **fields: Any) -> Pool:
    return Pool(
        **{"name": "own", "provider": "owned", "platforms": PLATFORMS, "machines": machines} | fields  # type: ignore[arg-type]
    )


def burst(**fields: Any) -> Pool:
    given: dict[str, Any] = {
        "name": "burst",
        "provider": "ec2",
        "platforms": ("deb",),
        "price_per_hour_micros": 403_200,
        "stopped_price_per_hour_micros": 10_960,
        "boot": Quantiles(90_000, 150_000),
        "resume": Quantiles(45_000, 45_000),
        "suspend_ms": 7_000,
        "delete_ms": 3_000,
        "cold_cache_ms": 60_000,
        "billing": Billing(granularity_ms=1000, minimum_ms=60_000),
    }
    return Pool(**given | fields)


FARM = Rules(
    pools=(
        own(3),
        burst(),
        burst(name="wide", platforms=PLATFORMS, slots=2, stopped_price_per_hour_micros=None, max=4),
        burst(name="spot", price_per_hour_micros=120_000, reclaim_per_hour=0.5, max=5, uses=3),
    )
)


def run(
    workload: Workload, rules: Rules = FARM, preset: str = "burst-at-once", **more: Any
) -> tuple[Outcome, list[Line]]:
    """The outcome and the lines."""
    told: list[bytes] = []
    outcome = simulate(workload, rules, Policy(preset=preset), sink=told.append, **more)
    return outcome, [json.loads(line) for line in b"".join(told).splitlines()]


def bill(lines: list[Line], rules: Rules) -> dict[str, int]:
    """What each pool's machines cost, from the lines alone."""
    pools = {pool.name: pool for pool in rules.pools}
    paid: dict[str, int] = defaultdict(int)
    running: dict[str, int] = {}
    stopped: dict[str, int] = {}
    for line in lines:
        machine, at_ms, pool = line["machine"], line["t_ms"], pools.get(line["pool"])
        if pool is None or pool.provider == "owned":
            continue
        if line["kind"] in ("suspended", "gone") and machine in running:
            paid[pool.name] += _rent(pool, at_ms - running.pop(machine), True)
        if line["kind"] in ("resume", "gone") and machine in stopped:
            paid[pool.name] += _rent(pool, at_ms - stopped.pop(machine), False)
        if line["kind"] in ("request", "resume"):
            running[machine] = at_ms
        if line["kind"] == "suspended":
            stopped[machine] = at_ms
    assert not running
    assert not stopped
    return dict(paid)


def _rent(pool: Pool, lasted_ms: int, runs: bool) -> int:
    step_ms = pool.billing.granularity_ms
    counted_ms = -(-lasted_ms // step_ms) * step_ms
    if runs:
        return charge_micros(pool.price_per_hour_micros, max(counted_ms, pool.billing.minimum_ms))
    return charge_micros(pool.stopped_price_per_hour_micros or 0, counted_ms)


NO_FAULTS = Faults()
