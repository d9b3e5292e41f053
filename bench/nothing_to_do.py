"""A build of the demo in which nothing is to be done: as a whole process, start-up included.

Beside it: Python starting and doing nothing, which nothing written in Python can beat.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

STATE = Path("build/bench-demo")
RUNS = 5


def run() -> dict[str, object]:
    """Seconds, medians of five; the first build of the demo is made when there is none and not counted."""
    demo = [sys.executable, "-m", "penstock", "demo", "--once", "--state", str(STATE)]
    first = subprocess.run(demo, capture_output=True, text=True)
    if first.returncode:
        raise RuntimeError(first.stdout[-2000:] + first.stderr[-2000:])
    again = subprocess.run(demo, capture_output=True, text=True, check=True)
    counts = again.stdout.strip().splitlines()[-1]
    if not counts.startswith("built 0,"):
        raise RuntimeError(f"something was built again: {counts}")
    ours = _median(demo)
    python = _median([sys.executable, "-c", "pass"])
    return {
        "demo, nothing to do, whole process, s": round(ours, 3),
        "python -c pass, s": round(python, 3),
        "what it printed": counts,
    }


def _median(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
