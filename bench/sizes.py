"""Small jobs beside jobs that fill a machine, on owned machines alone: mean waits of the policy and of first come, first served.

16 machines of 8 cores, 4,000 jobs of bench/simulator.py's history at another pace, half of them of one core and half of eight.
"""

import random
import statistics
from array import array

from bench.simulator import LOAD, _history
from penstock.model.rules import Pool, Rules
from penstock.model.trial import Policy
from penstock.model.units import Size
from penstock.model.workload import Workload
from penstock.reports.waits import wait_column
from penstock.sim.run import simulate

MACHINES, CORES, JOBS = 16, 8, 4000
MIXES = {"1 core": (1,), "8 cores": (8,), "1 or 8 cores": (1, 8)}
OWN = Pool(
    name="own", provider="owned", platforms=("any",), machines=MACHINES, slots=CORES, size=Size(CORES, None)
)


def run() -> dict[str, object]:
    """Mean waits in seconds, the policy's and first come, first served's."""
    rows: dict[str, object] = {}
    for busy in (0.6, 0.8, 1.2):
        for mix, sizes in MIXES.items():
            jobs = mixed(busy, sizes)
            both = [f"{mean_s(jobs, preset):,.0f} s" for preset in ("penstock", "burst-at-once")]
            rows[f"{busy:.0%} busy, {mix}: penstock / first come"] = " / ".join(both)
    return rows


def mixed(busy: float, sizes: tuple[int, ...]) -> Workload:
    """Jobs of these sizes that keep the farm busy for this share of the time."""
    chance, whole = random.Random(3), _history(JOBS)
    cores = [chance.choice(sizes) for _ in range(JOBS)]
    pace = busy * MACHINES * CORES / statistics.fmean(cores) / LOAD
    return whole._replace(
        submitted_ms=array("q", [int(at / pace) for at in whole.submitted_ms]), cores=array("q", cores)
    )


def mean_s(jobs: Workload, preset: str) -> float:
    """Mean wait in seconds."""
    outcome = simulate(jobs, Rules(pools=(OWN,)), Policy(name=preset, preset=preset))
    return statistics.fmean(wait_column(outcome)) / 1000
