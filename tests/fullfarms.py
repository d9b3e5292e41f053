"""Small histories and farms for runs in full mode."""

from array import array
from collections.abc import Iterable
from random import Random

from penstock.model.rules import Platform, Pool, Quantiles, Rules
from penstock.model.workload import Workload

BEGIN_MS = 1_700_000_000_000
OWN = Pool(name="own", provider="owned", platforms=("linux",), machines=3)
BURST = Pool(
    name="burst",
    provider="simulated",
    platforms=("linux",),
    price_per_hour_micros=403_200,
    stopped_price_per_hour_micros=10_960,
    boot=Quantiles(90_000, 90_000),
    resume=Quantiles(45_000, 45_000),
    suspend_ms=10_000,
    delete_ms=5_000,
)


def rules(*pools: Pool) -> Rules:
    """A farm of these pools; own machines and a burst pool without any."""
    return Rules(platforms={"linux": Platform(name="linux")}, pools=pools or (OWN, BURST))


def history(jobs: int, seed: int = 1, gap_s: int = 60, mean_s: int = 600) -> Workload:
    """Jobs of five names that come and last by chance, in whole seconds, so that many things happen at once."""
    chance = Random(f"history {seed}")
    at_ms, rows = BEGIN_MS, []
    for _ in range(jobs):
        at_ms += int(chance.expovariate(1 / gap_s)) * 1000
        rows.append((at_ms, max(1, int(chance.expovariate(1 / mean_s))) * 1000, chance.randrange(5)))
    return workload(rows)


def workload(rows: Iterable[tuple[int, int, int]]) -> Workload:
    """Jobs as (submitted_ms, duration_ms, name), in order of submission."""
    submitted, lasts, names = zip(*rows, strict=True)
    count = len(submitted)
    zeros = array("q", [0] * count)
    return Workload(
        ids=[f"j{row}" for row in range(count)],
        submitted_ms=array("q", submitted),
        duration_ms=array("q", lasts),
        started_ms=array("q", [-1] * count),
        name=array("q", names),
        project=zeros,
        klass=zeros,
        platform=zeros,
        branch=zeros,
        cores=zeros,
        memory_mb=zeros,
        needs_from=array("q", []),
        needs=array("q", []),
        names=[f"n{name}" for name in range(max(names) + 1)],
        projects=[""],
        classes=["change"],
        platforms=["linux"],
        branches=[""],
    )
