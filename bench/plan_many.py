"""Planning 10,000 modules on 10 platforms, each with a test: 200,000 jobs. Medians of five.

Beside it: the standard library's graphlib, which only puts the same graph of 200,000 names in order.
"""

import graphlib
import statistics
import time
import tracemalloc
from collections.abc import Callable

from penstock.model.job import Source, Trust
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk, Need
from penstock.model.plan import Plan
from penstock.model.rules import Platform
from penstock.policy.archive import with_reuse
from penstock.policy.planning import Given, plan

MODULES, PLATFORMS, RUNS = 10_000, 10, 5


def run() -> dict[str, object]:
    """Seconds and megabytes."""
    return _times() | _memory()


def _times() -> dict[str, object]:
    made = _plan()
    if len(made.jobs) != 2 * MODULES * PLATFORMS:
        raise RuntimeError(f"{len(made.jobs)} jobs were planned")
    graph = {job.id: job.needs for job in made.jobs}
    return {
        "plan 200,000 jobs, s": _median(_plan),
        "hold them against an empty archive, s": _median(lambda: with_reuse(made, _nothing, 0, False)),
        "graphlib, order of the same graph alone, s": _median(
            lambda: list(graphlib.TopologicalSorter(graph).static_order())
        ),
    }


def _memory() -> dict[str, object]:
    tracemalloc.start()
    kept = _plan()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "memory of the plan, MB": round(held / 1e6, 1),
        "memory of one job, bytes": held // len(kept.jobs),
    }


def _nothing(trust: Trust, key: str) -> tuple[tuple[()], None]:
    return (), None


def _plan() -> Plan:
    platforms = {name: Platform(name=name) for name in (f"platform-{n}" for n in range(PLATFORMS))}
    modules = tuple(_module(number, tuple(platforms)) for number in range(MODULES))
    sources = {
        module.name: Source(repository="/r", tree=module.name, digest=module.name) for module in modules
    }
    return plan(Manifest("m", modules), platforms, dict.fromkeys(platforms, "image"), sources, Given())


def _module(number: int, platforms: tuple[str, ...]) -> ModuleAsk:
    """A module that needs up to four before it."""
    needs = sorted({number // 2, number // 3, number * 7 % max(number, 1), max(0, number - 1)} - {number})
    return ModuleAsk(
        name=f"module-{number}",
        needs=tuple(Need(f"module-{need}") for need in needs if need < number),
        platforms=platforms,
        build=("./configure --prefix=$PREFIX", "make -j$CORES", "make install DESTDIR=$DESTDIR"),
        test=AskedTest(run=("make check",), start="build"),
    )


def _median(what: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 3)
