"""From submit to the first command on an idle agent, durable, beside Buildbot in the same run."""

import os
import random
import statistics
import sys
import time

from bench import buildbot, databases
from bench.served import Served

JOBS = 20
ROUNDS = 5
COMMAND = "date +%s%N"


def run() -> dict[str, object]:
    """Milliseconds: medians of five rounds of p50 and p99, and the ratio of the p50 to Buildbot's."""
    figures: dict[str, object] = {}
    for name, sandboxed in (("plain", False), ("sandboxed", True)):
        figures |= _median(
            f"SQLite, {name}", lambda sandboxed=sandboxed: ours("sqlite:///farm.db", sandboxed)
        )
    with databases.postgresql() as fresh:
        if fresh:
            figures |= _median("PostgreSQL, plain", lambda: ours(fresh(), False))
        else:
            figures["PostgreSQL"] = "not measured: no server here"
    peer = buildbot.latency(JOBS)
    figures |= {f"Buildbot, {name}": value for name, value in peer.items()}
    for kind in ("SQLite, plain", "SQLite, sandboxed", "PostgreSQL, plain"):
        if f"{kind}, p50 ms" in figures and "p50 ms" in peer:
            figures[f"{kind}, part of Buildbot's p50"] = round(figures[f"{kind}, p50 ms"] / peer["p50 ms"], 3)  # type: ignore[operator]
    return figures


def _median(name: str, measure: object) -> dict[str, object]:
    rounds = [measure() for _ in range(ROUNDS)]  # type: ignore[operator]
    return {
        f"{name}, p50 ms": round(statistics.median(quantile(one, 0.5) for one in rounds), 1),
        f"{name}, p99 ms": round(statistics.median(quantile(one, 0.99) for one in rounds), 1),
    }


def quantile(times: list[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ours(state: str, sandboxed: bool) -> list[float]:
    """Milliseconds of each of JOBS submissions, one after another; the first two are not counted."""
    chance = random.Random(7)
    times = []
    with Served(state) as farm:
        farm.start_agents(1, 4, sandboxed)
        for _ in range(JOBS + 2):
            began = time.time()
            build = farm.ask(submit=1, command=COMMAND)
            farm.wait(build)
            [(_, _, _, said)] = farm.ask(times=build)
            times.append(1000 * (int(said.split()[-1]) / 1e9 - began))
            time.sleep(0.05 + 0.1 * chance.random())
    return times[2:]


if __name__ == "__main__":
    found = ours(os.environ.get("STATE", "sqlite:///farm.db"), sys.argv[1:] == ["sandboxed"])
    print({share: round(quantile(found, share), 1) for share in (0.0, 0.5, 0.9, 0.99)})
