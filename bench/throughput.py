"""Trivial jobs (`true`) a second, durable, two agents of four slots, beside the bare spawn rate and Buildbot."""

import os
import statistics
import sys
import time
from collections.abc import Sequence

from bench import buildbot
from bench.served import Served

JOBS = {"plain": 400, "sandboxed": 300}
ROUNDS = 5
AT_ONCE = 8
BARE = 2000
TRUE = ["/bin/true"]
BWRAP = (
    "bwrap --unshare-all --die-with-parent --new-session --ro-bind /usr /usr --symlink usr/bin /bin "
    "--symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp -- /bin/true"
).split()


def run() -> dict[str, object]:
    """Jobs a second: medians of five; ours and the bare rate take turns."""
    rounds = [_round() for _ in range(ROUNDS)]
    figures: dict[str, object] = {
        row: round(statistics.median(one[row] for one in rounds), 1) for row in rounds[0]
    }
    peer = buildbot.throughput()
    figures |= {f"Buildbot, {name}": value for name, value in peer.items()}
    for name in JOBS:
        rate = figures[f"{name}, jobs/s"]
        figures[f"{name}, part of bare"] = round(rate / figures[f"bare {name}/s"], 3)  # type: ignore[operator]
        if "jobs/s" in peer:
            figures[f"{name}, times Buildbot"] = round(rate / peer["jobs/s"], 1)  # type: ignore[operator]
    return figures


def _round() -> dict[str, float]:
    found = {"bare plain/s": bare(TRUE, BARE), "bare sandboxed/s": bare(BWRAP, BARE // 4)}
    for name, jobs in JOBS.items():
        found |= {f"{name}, {what}": figure for what, figure in ours(name == "sandboxed", jobs).items()}
    return found


def bare(words: Sequence[str], count: int) -> float:
    """Processes a second, AT_ONCE at a time, started by one process with posix_spawn."""
    began = time.perf_counter()
    running: set[int] = set()
    for _ in range(count):
        running.add(os.posix_spawn(_program(words[0]), list(words), {"PATH": "/usr/bin:/bin"}))
        if len(running) >= AT_ONCE:
            running.discard(os.waitpid(-1, 0)[0])
    while running:
        running.discard(os.waitpid(-1, 0)[0])
    return count / (time.perf_counter() - began)


def _program(name: str) -> str:
    return name if name.startswith("/") else f"/usr/bin/{name}"


def ours(sandboxed: bool, jobs: int, state: str = "sqlite:///farm.db") -> dict[str, float]:
    """Jobs a second from the first offer to the last end, by the hub's own records, and what a job costs the processor."""
    with Served(state) as farm:
        farm.start_agents(2, 4, sandboxed)
        farm.wait(farm.ask(submit=8))
        before = farm.cpu_s()
        build = farm.ask(submit=jobs)
        while farm.ask(open=build):
            time.sleep(0.25)
        hub_s, agents_s = (after - was for after, was in zip(farm.cpu_s(), before, strict=True))
        return {
            "jobs/s": rate(farm.ask(times=build)),
            "hub, ms of processor a job": 1000 * hub_s / jobs,
            "agents and jobs, ms of processor a job": 1000 * agents_s / jobs,
        }


def rate(times: list[list[int]]) -> float:
    """Jobs a second from these attempts."""
    return 1000 * len(times) / (max(one[2] for one in times) - min(one[0] for one in times))


if __name__ == "__main__":
    sandboxed = "sandboxed" in sys.argv
    count = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 300
    print("bare", round(bare(BWRAP if sandboxed else TRUE, 500)), "ours", ours(sandboxed, count))
