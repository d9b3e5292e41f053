"""The band of a forecast, held against what came: years of other projects, forecast again and again from their past.

A band from 10 to 90 of 100 should hold what came 80 times in 100. docs/explanation/forecast.md has the figures of this test.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from penstock.history import github_actions
from penstock.history.report import Report
from penstock.history.rows import Row
from penstock.model.units import DAY_MS
from penstock.reports.forecast.blocks import Horizon, bands
from penstock.reports.forecast.calendar import MILLION

WINDOW, FIRST, STEP = 28, 84, 14
AHEAD = (28, 91, 182)
GITHUB = ("bmad_simbmad_ecosystem_wf69576399", "pr3y_Bruce_wf121541665")


def dense(by_day: Counter[int]) -> list[int]:
    """One amount a day; the first and the last day may not be whole, and are left out."""
    return [by_day[day] for day in range(min(by_day) + 1, max(by_day))]


def job_seconds(rows: Iterable[Row]) -> list[int]:
    found: Counter[int] = Counter()
    for row in rows:
        if 0 <= row.started_ms < row.finished_ms:
            found[row.started_ms // DAY_MS] += (
                (row.finished_ms - row.started_ms) // 1000 * max(1, row.cores or 1)
            )
    return dense(found)


def commits(path: Path) -> list[int]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        times = [
            datetime.fromisoformat(line["committed_at"]) for line in csv.DictReader(lines, delimiter="\t")
        ]
    return dense(Counter(int(time.timestamp() * 1000) // DAY_MS for time in times))


def histories(data: Path) -> dict[str, list[int]]:
    """Job-seconds a day of two projects, and commits a day of Qt, which its CI runs for."""
    found = {
        name.partition("_")[0]: job_seconds(
            github_actions.rows([data / "github-actions" / f"raw__{name}_fixed.csv.gz"], Report())
        )
        for name in GITHUB
    }
    found["qt"] = commits(data / "qt" / "qt_module_commits_2023-2024.tsv.gz")
    return found


def tries(days: list[int], ahead: int) -> Iterator[tuple[bool, bool]]:
    """For each moment that is forecast from: whether the band held what came, and whether a band of sums alone would."""
    for now in range(FIRST, len(days) - ahead + 1, STEP):
        found = bands(days[:now], WINDOW, Horizon([MILLION] * ahead, [(0, ahead)]))
        assert found is not None
        came, drawn = sum(days[now : now + ahead]), sums_alone(days[:now], ahead)
        yield found[0].p10 <= came <= found[0].p90, drawn[0] <= came <= drawn[1]


def sums_alone(days: list[int], ahead: int) -> tuple[int, int]:
    """What a bootstrap says that takes its level for certain: sums of blocks of a week, drawn by counting through."""
    weeks = [sum(days[place : place + 7]) for place in range(len(days) % 7, len(days), 7)]
    count = -(-ahead // 7)
    ordered = sorted(
        sum(weeks[(try_ * 7919 + n * n * 104_729 + n * 31) % len(weeks)] for n in range(count))
        * ahead
        // (7 * count)
        for try_ in range(200)
    )
    return ordered[20], ordered[180]


def test_what_came_was_mostly_within_the_band(shared_data: Path) -> None:
    held: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for name, days in histories(shared_data).items():
        for ahead in AHEAD:
            for is_held, is_held_alone in tries(days, ahead):
                for key in (f"{name} {ahead}", f"all {ahead}", "all"):
                    count[key] += 1
                    held[key] += is_held
                    alone[key] += is_held_alone
    told = {key: (round(held[key] / n, 2), round(alone[key] / n, 2), n) for key, n in count.items()}
    assert held["all"] / count["all"] == pytest.approx(0.8, abs=0.08), told
    assert alone["all"] / count["all"] < 0.6, told
