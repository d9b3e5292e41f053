"""How long the plan of Qt takes, and how much memory: each figure the median of five fresh processes."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = 5
DATA = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data") / "qt"


def run() -> dict[str, float]:
    """Seconds and megabytes by name; empty where the recorded data is missing."""
    if not DATA.is_dir():
        return {}
    ran = [
        subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True).stdout
        for _ in range(RUNS)
    ]
    rows = [json.loads(text) for text in ran]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def once() -> dict[str, float]:
    """One plan, in this process."""
    import resource
    import time

    from penstock.config.qt import plan_qt, read_qt
    from penstock.policy.changed import mark_changed

    begun = time.perf_counter()
    given = read_qt(DATA)
    read = time.perf_counter()
    plan = plan_qt(given)
    planned = time.perf_counter()
    mark_changed(plan, ["qtsvg"])
    marked = time.perf_counter()
    return {
        "Qt: jobs": len(plan.jobs),
        "Qt: read and parse, s": round(read - begun, 4),
        "Qt: plan, s": round(planned - read, 4),
        "Qt: mark what a change rebuilds, s": round(marked - planned, 4),
        "Qt: peak memory of the process, MB": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
        ),
    }


if __name__ == "__main__":
    print(json.dumps(once()))
