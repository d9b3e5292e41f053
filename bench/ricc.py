"""A recorded history on a farm that rents 2,000 machines at once: 447,786 jobs of the RICC log, 200 owned machines."""

import os
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from bench.simulator import BURST
from penstock.history import normal
from penstock.history.importing import import_history
from penstock.model.rules import Pool, Rules
from penstock.model.trial import Policy
from penstock.sim.run import simulate
from penstock.wiring import history_format

DATA = (
    Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data") / "swf"
)
LOG = DATA / "RICC-2010-2.swf.gz"
OWNED, RUNS = 200, 3


def run() -> dict[str, object]:
    """Jobs a second with a preset, life cycle and bill of every machine included; empty where the log is missing."""
    if not LOG.is_file():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "history.csv"
        import_history(history_format("swf"), [LOG], csv)
        history, _ = normal.load([csv])
    own = Pool(name="own", provider="owned", platforms=tuple(history.platforms), machines=OWNED)
    rented = msgspec.structs.replace(BURST, platforms=own.platforms)
    farm = Rules(pools=(own, rented))
    simulate(history, farm, Policy(preset="burst-at-once"))  # compiled before it is measured
    speeds = []
    for _ in range(RUNS):
        begun = time.process_time()
        outcome = simulate(history, farm, Policy(preset="burst-at-once"))
        speeds.append(history.jobs / (time.process_time() - begun))
    return {
        "RICC, burst-at-once, jobs in a second of processor time": round(statistics.median(speeds)),
        "RICC, rented at once": sum(outcome.peaks),
        "RICC, boots and resumes": sum(outcome.boots) + sum(outcome.resumes),
    }
