"""How far simulated waits are from recorded ones, on farms that are as like the recorded ones as the record allows.

mozilla 2013: owned pools of as many machines as the record names. GitHub: a new machine for every job, whose time to come
is what the first half of the jobs waited, half and 95 % of them; held against the second half. RICC: the cluster that
the header names, 1,024 machines of 8 processors, for the first ten days; larger jobs in parts of 8 that need not run together.
"""

import csv
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.histories import SOURCES, history, imported, one_platform
from penstock.history import normal
from penstock.model.rules import Pool, Quantiles, Rules
from penstock.model.trial import Policy
from penstock.model.units import DAY_MS, Size
from penstock.model.workload import Workload
from penstock.reports.waits import recorded_column, residual, wait_column
from penstock.sim.run import simulate

RICC = "swf", "swf/RICC-2010-2.swf.gz"
MACHINES, CORES, DAYS = 1024, 8, 10
COLUMNS = "submitted_ms", "duration_ms", "started_ms", "name", "project", "klass", "platform", "branch"
Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def run() -> dict[str, object]:
    """Recorded and simulated waits: mean, p50, p95, and by how much half of the jobs differ at most."""
    rows: dict[str, object] = {"mozilla 2013": _mozilla()}
    for name in ("bmad", "pr3y"):
        rows[f"{name}, second half"] = _hosted(name)
    for preset in ("burst-at-once", "penstock"):
        rows[f"RICC, {preset}"] = _cluster(preset)
    return rows


def _mozilla() -> str:
    source = SOURCES["mozilla 2013"]
    with tempfile.TemporaryDirectory() as folder:
        out = imported(source.form, source.file, Path(folder))
        whole, machines = normal.load([out])[0], dict(_machines(out))
    pools = tuple(
        Pool(name=name, provider="owned", platforms=(name,), machines=len(named))
        for name, named in sorted(machines.items())
    )
    return _compared(whole, Rules(pools=pools), "burst-at-once")


def _machines(out: Path) -> Iterator[tuple[str, set[str]]]:
    with out.open(newline="") as stream:
        rows = [(row["platform"], row["machine"]) for row in csv.DictReader(stream)]
    for platform in {platform for platform, _ in rows}:
        yield platform, {machine for other, machine in rows if other == platform}


def _hosted(name: str) -> str:
    whole = history(name)
    late = np.arange(whole.jobs) >= whole.jobs // 2
    before = sorted(recorded_column(one_platform(whole, ~late)))
    boot = Quantiles(before[len(before) // 2], before[int(0.95 * len(before))])
    pool = Pool(
        name="hosted", provider="ec2", platforms=("any",), price_per_hour_micros=480_000, boot=boot, uses=1
    )
    return _compared(one_platform(whole, late), Rules(pools=(pool,)), "burst-at-once")


def _cluster(preset: str) -> str:
    """A job's wait is that of the last of its parts, each of which fills a machine."""
    with tempfile.TemporaryDirectory() as folder:
        whole = normal.load([imported(*RICC, Path(folder))])[0]
    job, parts = _parts(whole)
    farm = Rules(
        pools=(
            Pool(
                name="ricc",
                provider="owned",
                platforms=tuple(whole.platforms),
                machines=MACHINES,
                slots=CORES,
                size=Size(CORES, None),
            ),
        )
    )
    outcome = simulate(parts, farm, Policy(name=preset, preset=preset))
    last_ms = np.zeros(int(job.max()) + 1, np.int64)
    np.maximum.at(last_ms, job, np.array(wait_column(outcome)))
    return _told(recorded_column(whole)[: len(last_ms)], array("q", last_ms.tolist()))


def _parts(whole: Workload) -> "tuple[Whole, Workload]":
    """The first days of a cluster, jobs that reach over machines in parts of one; and whose part each is."""
    submitted_ms, cores = np.array(whole.submitted_ms), np.maximum(1, np.array(whole.cores))
    early = submitted_ms < submitted_ms[0] + DAYS * DAY_MS
    job = np.repeat(np.flatnonzero(early), -(-cores[early] // CORES))

    def column(values: "array[int]") -> "array[int]":
        return array("q", np.array(values)[job].tolist())

    columns = {name: column(getattr(whole, name)) for name in COLUMNS}
    columns["cores"] = array("q", np.minimum(cores, CORES)[job].tolist())
    blank = array("q", bytes(8 * len(job)))
    return job, whole._replace(ids=[str(n) for n in range(len(job))], memory_mb=blank, **columns)


def _compared(workload: Workload, farm: Rules, preset: str) -> str:
    outcome = simulate(workload, farm, Policy(name=preset, preset=preset))
    return _told(recorded_column(workload), wait_column(outcome))


def _told(recorded: "array[int]", simulated: "array[int]") -> str:
    found = residual(recorded, simulated)
    was, now = found.recorded, found.simulated
    return (
        f"{was.jobs} jobs: mean {_s(was.mean_ms)} / {_s(now.mean_ms)}, p50 {_s(was.p50_ms)} / {_s(now.p50_ms)}, "
        f"p95 {_s(was.p95_ms)} / {_s(now.p95_ms)}, half apart at most {_s(found.apart_ms)}"
    )


def _s(wait_ms: float | None) -> str:
    return "-" if wait_ms is None else f"{wait_ms / 1000:.1f} s"
