"""Jobs for a farm whose costs are looked at: those of Bitcoin Core's CI over and over, or a few made up."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from penstock.model.units import DAY_MS, MS_PER_S

HOUR_MS = 3_600_000
RECORDED_FROM_MS = int(datetime(2025, 9, 8, tzinfo=UTC).timestamp()) * MS_PER_S
"""A Monday, from which three whole weeks are recorded."""
BLOCK_DAYS = 21
OUTCOMES = {"COMPLETED": "PASSED", "FAILED": "FAILED", "ABORTED": "CANCELLED"}
PROJECTS = ("core",) * 6 + ("gui",) * 2 + ("kernel",)
PLATFORMS = (
    ("macos 1", "macos-14"),
    ("arm,", "linux-arm"),
    ("windows native", "windows-2022"),
    ("windows, test", "windows-2022"),
    ("centos", "centos-stream"),
    ("asan", "linux-asan"),
    ("msan", "linux-msan"),
    ("tsan", "linux-tsan"),
    ("fuzz", "linux-fuzz"),
)


class Ran(NamedTuple):
    """One job that ran: when it came, how long it took, how it ended."""

    name: str
    platform: str
    project: str
    klass: str
    build: str
    branch: str
    came_ms: int
    took_ms: int
    outcome: str


def chance(*words: object) -> float:
    """A number from 0 to 1 that follows from the words alone."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def recorded(path: Path) -> list[Ran]:
    """Three weeks of Bitcoin Core's CI, which begin at 0; its builds are given to three projects."""
    rows = json.loads(gzip.decompress(path.read_bytes()))
    return sorted((_ran(row) for row in rows if _usable(row)), key=lambda one: (one.came_ms, one.name))


def _usable(row: dict[str, object]) -> bool:
    began = int(str(row["creationTimestamp"])) * MS_PER_S - RECORDED_FROM_MS
    return (
        0 <= began < BLOCK_DAYS * DAY_MS
        and int(str(row["duration"])) > 0
        and "matrix." not in str(row["name"])
    )


def _ran(row: dict) -> Ran:  # type: ignore[type-arg]
    name, build, branch = row["name"], str(row["build"]["id"]), row["build"]["branch"]
    klass = (
        "trunk" if branch == "master" else "release" if branch[:1].isdigit() and ".x" in branch else "change"
    )
    platform = next((found for part, found in PLATFORMS if part in name.lower()), "linux-gcc")
    return Ran(
        name=name,
        platform=platform,
        project=PROJECTS[int(chance(build) * len(PROJECTS))],
        klass=klass,
        build=build,
        branch=branch,
        came_ms=row["creationTimestamp"] * MS_PER_S - RECORDED_FROM_MS,
        took_ms=row["duration"] * MS_PER_S,
        outcome=OUTCOMES[row["status"]],
    )


def made_up() -> list[Ran]:
    """Three weeks of a few builds a day, fewer on weekends."""
    found = []
    for day in range(BLOCK_DAYS):
        for number in range(2 if day % 7 > 4 else 5):
            build, came = f"{day}-{number}", day * DAY_MS + (8 + 2 * number) * HOUR_MS
            for name, platform in (
                ("gcc", "linux-gcc"),
                ("address sanitizer", "linux-asan"),
                ("mac", "macos-14"),
            ):
                outcome = "FAILED" if chance(build, name) < 0.1 else "PASSED"
                project = PROJECTS[int(chance(build) * len(PROJECTS))]
                took = int((10 + 40 * chance(name, build)) * 60_000)
                found.append(Ran(name, platform, project, "change", build, "main", came, took, outcome))
    return found


def repeated(block: Sequence[Ran], days: int, until_ms: int) -> Iterator[Ran]:
    """The block over and over, `days` days up to `until_ms`, no day quite like another.

    Weekdays stay weekdays. In the week of a freeze, two weeks ago, more comes; three weeks ago a fuzzing campaign
    begins; builds of earlier blocks are thinned out by chance.
    """
    monday_ms = (until_ms // DAY_MS + 3) // 7 * 7 * DAY_MS - 3 * DAY_MS
    first_ms = until_ms - days * DAY_MS
    blocks = -(-(until_ms - first_ms) // (BLOCK_DAYS * DAY_MS)) + 1
    for number in range(blocks, -1, -1):
        start_ms = monday_ms - (number * BLOCK_DAYS + BLOCK_DAYS - 7) * DAY_MS
        for ran in block:
            at = start_ms + ran.came_ms
            ago = (until_ms - at) / DAY_MS
            if first_ms <= at < until_ms and chance(number, ran.build) < _kept(ago, number):
                stretch = 1.7 + 0.6 * chance(number, ran.build, ran.name)
                yield ran._replace(
                    came_ms=at, took_ms=int(ran.took_ms * stretch), build=f"b{number}{ran.build[-7:]}"
                )
                if ran.platform == "linux-fuzz" and ago < 20:
                    yield ran._replace(
                        came_ms=at, took_ms=ran.took_ms * 2, build=f"z{number}{ran.build[-7:]}",
                        project="fuzzing", klass="nightly", branch="main", outcome="PASSED",
                    )  # fmt: skip


def _kept(ago_days: float, block: int) -> float:
    return 1.0 if 8 <= ago_days < 15 else 0.72 + 0.06 * (block % 3)
