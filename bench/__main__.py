"""`make bench [ARGS=NAME ...]`: run the benchmarks, print a table, write build/bench.json."""

import json
import platform
import sys
from importlib import import_module
from pathlib import Path

NAMES = (
    "plan_qt",
    "plan_many",
    "trees",
    "store",
    "nothing_to_do",
    "agent",
    "latency",
    "throughput",
    "scale",
    "elastic",
    "scrape",
    "simulator",
    "qt_year",
    "ricc",
    "policy",
    "presets",
    "residual",
    "sizes",
    "bills",
    "costs",
    "costpage",
)
OUT = Path("build/bench.json")


def main(chosen: list[str]) -> int:
    """Run the benchmarks that were named, or all. Each module's run() gives {row: figure}."""
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    results = {}
    for name in chosen or NAMES:
        print(f"\n{name}", flush=True)
        results[name] = import_module(f"bench.{name}").run()
        for row, figure in results[name].items():
            print(f"  {row:<58} {figure:>12}", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"machine": platform.machine(), "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
