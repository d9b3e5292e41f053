"""A year at the size of Qt: four million jobs with their needs, as columns; how long a simulation takes, and its memory.

From the data: when modules and the super-repository were integrated (a year of commits up to October 2024), which modules
the data has, and the jobs of a module with their needs (`penstock plan`). Invented, from a fixed seed: durations (medians by
the module's and the platform's kind, spread by a factor), how often an integration is tried (as often as it takes for
four million), when the further tries come, and the farm: pools for every configuration, owned ones for a part of the usual load.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from penstock.config.qt import plan_qt, read_qt
from penstock.model.plan import PlannedJob
from penstock.model.rules import Billing, Pool, Quantiles, Rules
from penstock.model.workload import Workload

DATA = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data") / "qt"
COMMITS, INTEGRATIONS = "qt_module_commits_2023-2024.tsv.gz", "qt5_submodule_integrations.tsv.gz"
JOBS, SEED = 4_000_000, 1
FROM, UNTIL = "2023-10-24", "2024-10-24"
SUPER = "qt5"
LARGE = {
    "qtwebengine": 180.0,
    "qtbase": 40.0,
    "qtdeclarative": 40.0,
    "qtmultimedia": 25.0,
    "qtquick3d": 25.0,
    "qttools": 20.0,
}
"""Invented: median minutes of a build; of every other module SMALL."""
SMALL, TEST_SHARE, SPREAD = 12.0, 0.6, 0.35
SLOW = {"macos": 1.5, "windows": 1.4, "qemu": 2.0, "android": 1.3}
"""Invented: how much longer it takes where the name of a configuration begins so."""
OWNED_TIMES = 2.0
"""Owned machines: so many times those that the work of the year would keep busy all the time."""


class Ids(Sequence[str]):
    """Ids of jobs, written when they are asked for: four million texts would be 300 MB."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def __len__(self) -> int:
        return self._jobs

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [f"qt-{at}" for at in range(*row.indices(self._jobs))]
        if not 0 <= row < self._jobs:
            raise IndexError(row)
        return f"qt-{row}"


def arrivals() -> list[tuple[int, str]]:
    """When what was integrated: (milliseconds since 1970, module), SUPER for an integration of everything."""
    found = {(_ms(row["committed_at"]), row["module"]) for row in _rows(COMMITS) if row["module"] != SUPER}
    found |= {(_ms(row["committed_at"]), SUPER) for row in _rows(INTEGRATIONS)}
    low, high = _ms(FROM + "T00:00:00+00:00"), _ms(UNTIL + "T00:00:00+00:00")
    return sorted(one for one in found if low <= one[0] < high)


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as read:
        return list(csv.DictReader(read, delimiter="\t"))


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def workload(jobs: int = JOBS) -> Workload:
    """The first `jobs` jobs of integrations that were tried so often that they suffice."""
    chance = np.random.default_rng(SEED)
    plans = Plans(plan_qt(read_qt(DATA)).jobs)
    came = [(at_ms, module) for at_ms, module in arrivals() if module in plans.parts]
    once = sum(len(plans.parts[module]) for _, module in came)
    tries = -(-jobs // once)
    at_ms = np.repeat(np.array([at for at, _ in came]), tries)
    module = np.repeat(np.array([plans.numbers[name] for _, name in came]), tries)
    at_ms += np.tile(np.arange(tries), len(came)) * chance.integers(3_600_000, 4 * 3_600_000, len(at_ms))
    order = np.argsort(at_ms, kind="stable")
    return _laid(plans, at_ms[order], module[order], jobs, chance)


class Plans:
    """The jobs of each kind of integration, one behind the other. `parts`: their places; `needs` count from the first."""

    def __init__(self, jobs: Sequence[PlannedJob]) -> None:
        modules = sorted({job.module for job in jobs})
        chosen = {SUPER: list(jobs)} | {name: [job for job in jobs if job.module == name] for name in modules}
        self.numbers = {name: number for number, name in enumerate(chosen)}
        self.platforms = sorted({job.platform for job in jobs})
        self.modules = modules
        self.names = [f"{name}:{kind}" for name in modules for kind in ("build", "test")]
        listed: list[PlannedJob] = []
        lists: list[list[int]] = []
        self.first: list[int] = []
        self.parts: dict[str, list[PlannedJob]] = {}
        for name, part in chosen.items():
            rows = {job.id: row for row, job in enumerate(part)}
            self.first.append(len(listed))
            listed += part
            lists += [[rows[need] for need in job.needs if need in rows] for job in part]
            self.parts[name] = part
        self.counts = np.array([len(part) for part in self.parts.values()])
        names = {name: row for row, name in enumerate(self.names)}
        platforms = {name: row for row, name in enumerate(self.platforms)}
        self.name = np.array([names[f"{job.module}:{job.kind}"] for job in listed], np.int32)
        self.platform = np.array([platforms[job.platform] for job in listed], np.int32)
        self.median_ms = np.array([_median_ms(job) for job in listed])
        self.need_counts = np.array([len(found) for found in lists], np.int32)
        self.need_from = np.concatenate(([0], np.cumsum(self.need_counts)))
        self.needs = np.array([need for found in lists for need in found], np.int64)


def _median_ms(job: PlannedJob) -> float:
    minutes = LARGE.get(job.module, SMALL) * (TEST_SHARE if job.kind == "test" else 1.0)
    slow = [share for begin, share in SLOW.items() if job.platform.startswith(begin)]
    return minutes * 60_000 * (slow[0] if slow else 1.0)


def _laid(plans: Plans, at_ms: Any, module: Any, jobs: int, chance: Any) -> Workload:
    counts = plans.counts[module]
    begin = np.concatenate(([0], np.cumsum(counts)[:-1]))
    some = int(np.searchsorted(begin, jobs))
    counts, begin, at_ms, module = counts[:some], begin[:some], at_ms[:some], module[:some]
    counts[-1] = jobs - begin[-1]
    planned = _runs(np.array(plans.first)[module], counts)  # for every job, its row in the plans
    count = plans.need_counts[planned]
    needs = plans.needs[_runs(plans.need_from[planned], count)]
    needs += np.repeat(np.repeat(begin, counts), count)
    if needs.max(initial=0) >= jobs:
        raise ValueError("the last integration is cut where a job needs one that is cut off")
    median_ms = plans.median_ms[planned]
    duration = (median_ms * np.exp(chance.standard_normal(jobs, np.float32) * SPREAD)).astype(np.int64)
    blank = array("q", bytes(8 * jobs))
    return Workload(
        ids=Ids(jobs),
        submitted_ms=_array(np.repeat(at_ms, counts)),
        duration_ms=_array(duration),
        started_ms=blank,
        name=_array(plans.name[planned]),
        project=blank,
        klass=blank,
        platform=_array(plans.platform[planned]),
        branch=blank,
        cores=blank,
        memory_mb=blank,
        needs_from=_array(np.concatenate(([0], np.cumsum(count)))),
        needs=_array(needs),
        names=plans.names,
        projects=["qt"],
        classes=["change"],
        platforms=plans.platforms,
        branches=["dev"],
    )


def _runs(first: Any, counts: Any) -> Any:
    """first[0], first[0] + 1, ... counts[0] of them, then the same from first[1]."""
    begin = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(first - begin, counts)


def _array(values: Any) -> Any:
    made = array("q")
    made.frombytes(memoryview(np.ascontiguousarray(values, np.int64)).cast("B"))
    return made


def rules(history: Workload) -> Rules:
    """An owned and a rented pool for each configuration. Prices and times are those of an on-demand machine of a large cloud."""
    span_ms = history.submitted_ms[-1] - history.submitted_ms[0]
    busy_ms = np.bincount(np.asarray(history.platform), np.asarray(history.duration_ms, np.float64))
    pools = []
    for platform, work_ms in zip(history.platforms, busy_ms, strict=True):
        machines = max(1, round(work_ms / span_ms * OWNED_TIMES))
        pools.append(Pool(name=f"own-{platform}", provider="owned", platforms=(platform,), machines=machines))
        pools.append(
            Pool(
                name=f"cloud-{platform}",
                provider="ec2",
                platforms=(platform,),
                price_per_hour_micros=403_200,
                stopped_price_per_hour_micros=10_960,
                boot=Quantiles(90_000, 150_000),
                resume=Quantiles(45_000, 60_000),
                billing=Billing(granularity_ms=1000, minimum_ms=60_000),
            )
        )
    return Rules(pools=tuple(pools))


def run() -> dict[str, object]:
    """Seconds and memory of each, in a process of its own."""
    if not DATA.is_dir():
        return {}
    told: dict[str, object] = {}
    for what in ("burst-at-once", "penstock", "LB1"):
        one = subprocess.run(
            [sys.executable, "-m", "bench.qt_year", what], check=True, capture_output=True, text=True
        )
        told |= {f"Qt's year, {what}: {name}": value for name, value in json.loads(one.stdout).items()}
    return told


def once(what: str, jobs: int) -> dict[str, object]:
    """One of the measurements."""
    import resource

    begun = time.perf_counter()
    history = workload(jobs)
    farm = rules(history)
    made, made_cpu = time.perf_counter(), time.process_time()
    told = _limit(history, farm) if what == "LB1" else _simulated(history, farm, what)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return told | {
        "jobs": history.jobs,
        "s": round(time.perf_counter() - made, 1),
        "s of processor time": round(time.process_time() - made_cpu, 1),
        "s before, to make the history": round(made - begun, 1),
        "peak MB": round(peak_mb),
    }


def _simulated(history: Workload, farm: Rules, preset: str) -> dict[str, object]:
    from penstock.model.trial import Policy
    from penstock.sim.run import simulate

    out = simulate(history, farm, Policy(preset=preset))
    waits = np.asarray(out.first_start_ms) - np.asarray(out.ready_ms)
    return {
        "owned machines": sum(pool.machines for pool in farm.pools),
        "rented at once": sum(out.peaks),
        "boots": sum(out.boots),
        "resumes": sum(out.resumes),
        "mean wait, s": round(float(waits.mean()) / 1000, 1),
        "digest": out.digest[:19],
    }


def _limit(history: Workload, farm: Rules) -> dict[str, object]:
    from penstock.cli.simulation.limits import limit_of

    found = limit_of(history, farm, "quick")
    return {"nobody waits, a year": round(found.zero_wait), "kind": found.kind}


if __name__ == "__main__":
    print(json.dumps(once(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else JOBS)))
