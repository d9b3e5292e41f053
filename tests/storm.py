"""Days on which everything goes wrong, by seed: `python -m tests.storm --seeds 10000 --jobs 2` (see CONTRIBUTING.md).

Prints each seed that broke an invariant with the one command that shows it, and how many were tried. Exit status 1 where
any did. `--show` repeats one seed with as few of its faults as it takes, and prints what happened last.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from penstock.sim.storm import Day, lived

TOGETHER = 20
"""Seeds that a process is given at once."""


def broken(seeds: range) -> list[tuple[int, list[str]]]:
    """The seeds of these whose day went wrong, and what was wrong first."""
    found = []
    for seed in seeds:
        wrong = lived(seed).wrong
        if wrong:
            found.append((seed, wrong[:3]))
    return found


def shrunk(seed: int) -> Day:
    """The day with as few of its faults as break the same invariant still."""
    day = lived(seed)
    if not day.wrong:
        return day
    invariant, without = day.wrong[0].split()[0], frozenset[int]()
    for number in range(day.faults):
        less = lived(seed, without | {number})
        if less.wrong and less.wrong[0].split()[0] == invariant:
            day, without = less, without | {number}
    return day


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.storm", description="days on which everything goes wrong"
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", type=int, metavar="SEED", help="what happened in this one")
    asked = parser.parse_args(arguments)
    if asked.show is not None:
        return show(asked.show)
    began, count, bad = time.monotonic(), 0, 0
    for done, found in _all(range(asked.first, asked.first + asked.seeds), asked.jobs):
        count += done
        bad += len(found)
        for seed, wrong in found:
            print(f"seed {seed}: {'; '.join(wrong)}\n  python -m tests.storm --show {seed}", flush=True)
        if count % 100 < done:
            print(f"{count} seeds, {bad} failed, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{count} seeds from {asked.first}, {bad} failed, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def show(seed: int) -> int:
    day = shrunk(seed)
    print(*day.trace, *day.wrong, sep="\n")
    print(f"seed {seed}: {len(day.wrong)} breaches")
    return 1 if day.wrong else 0


def _all(seeds: range, jobs: int) -> Iterator[tuple[int, list[tuple[int, list[str]]]]]:
    chunks = [seeds[at : at + TOGETHER] for at in range(0, len(seeds), TOGETHER)]
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(map(len, chunks), pool.map(broken, chunks), strict=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
