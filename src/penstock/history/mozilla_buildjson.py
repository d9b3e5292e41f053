"""Builds as Mozilla's Buildbot published them (`builds-4h.js`, "buildjson"): a JSON list of builds with properties.

Read as ActiveData-ETL's normaliser reads them; its published answers are the test.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.history.records import made, recorded
from penstock.history.report import Dropped, Report
from penstock.history.rows import Row
from penstock.history.values import moment_ms, platform, pool, text

OUTCOMES = {0: "passed", 1: "failed", 2: "failed", 3: "skipped", 4: "error", 5: "error", 6: "cancelled"}
"""By Buildbot's result. At Mozilla 1, warnings, are tests that failed; 4 is an exception, 5 a retry: the farm's faults."""


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per build that a machine ran."""
    for path in paths:
        yield from made(recorded(path, report, "builds"), _row, report)


def _row(found: dict[str, Any], report: Report) -> Row:
    given = found.get("properties")
    if not isinstance(given, dict):
        raise Dropped("a build without properties: how long it took is not recorded")
    result = found.get("result")
    if result is None:
        raise Dropped("not ended")
    if result == 3:
        raise Dropped("skipped")
    machine = text(given.get("slavename"))
    return Row(
        job_id=text(found.get("id")),
        name=text(given.get("buildername")),
        project=text(given.get("product")).lower(),
        klass="",
        branch=_branch(given),
        platform=pool(machine) or platform(_text(given.get("platform"))),
        submitted_ms=moment_ms(found.get("requesttime"), report),
        started_ms=moment_ms(found.get("starttime"), report),
        finished_ms=moment_ms(found.get("endtime"), report),
        outcome=OUTCOMES.get(result, "none") if isinstance(result, int) else "none",
        machine=machine,
        attempt=1,
    )


def _branch(given: dict[str, Any]) -> str:
    """The branch without its folder; tests of the add-on SDK name the branch that they test in their own name."""
    branch = text(given.get("branch")).rpartition("/")[2]
    before, tested, name = text(given.get("buildername")).partition("jetpack-")
    if branch == "addon-sdk" and tested and not before:
        return name.partition(f"-{_text(given.get('platform'))}-")[0]
    return branch


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
