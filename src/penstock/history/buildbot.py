"""The database of a Buildbot master (0.9 and later, SQLite): its build requests and the builds made for them.

A request becomes runnable when it is submitted. A build that was retried has another build of the same request.
The platform is the pool: the name, without its number, of the machine that ran the build.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from penstock.history.attempts import Attempts
from penstock.history.report import Dropped, Report, Unreadable
from penstock.history.rows import Row
from penstock.history.values import moment_ms, pool, text

OUTCOMES = {0: "passed", 1: "passed", 2: "failed", 3: "skipped", 4: "error", 5: "error", 6: "cancelled"}
"""Buildbot's results: success, warnings, failure, skipped, exception, retry, cancelled."""
QUERY = """
SELECT requests.id, requests.submitted_at, requests.complete, builders.name,
       builds.id, builds.started_at, builds.complete_at, builds.results, workers.name,
       stamps.project, stamps.branch
FROM buildrequests AS requests
JOIN builders ON builders.id = requests.builderid
LEFT JOIN builds ON builds.buildrequestid = requests.id
LEFT JOIN workers ON workers.id = builds.workerid
LEFT JOIN (SELECT buildsetid, min(sourcestampid) AS id FROM buildset_sourcestamps GROUP BY buildsetid) AS firsts
       ON firsts.buildsetid = requests.buildsetid
LEFT JOIN sourcestamps AS stamps ON stamps.id = firsts.id
ORDER BY requests.id, builds.id
"""


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per build that ended; what was never built is counted. Unreadable for another database."""
    for path in paths:
        report.file, report.line = str(path), None
        try:
            yield from _rows(path, report)
        except sqlite3.Error as why:
            raise Unreadable(
                str(path),
                None,
                f"not the database of a Buildbot master ({why})",
                "it is state.sqlite in its folder",
            ) from None


def _rows(path: Path, report: Report) -> Iterator[Row]:
    if not path.is_file():
        raise Unreadable(str(path), None, "no such file")
    attempts = Attempts(report)
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = lambda raw: raw.decode(errors="replace")
        for number, found in enumerate(database.execute(QUERY), 1):
            report.at(number)
            try:
                yield attempts.numbered(f"request {found[0]}", _row(found, report))
            except Dropped as why:
                report.drop(why.reason, why.detail)


def _row(found: Sequence[Any], report: Report) -> Row:
    _, submitted, complete, builder, build, started, ended, result, machine, project, branch = found
    if build is None:
        raise Dropped("never ran" if complete else "not ended")
    if ended is None:
        raise Dropped("not ended")
    return Row(
        job_id=text(build),
        name=text(builder),
        project=text(project),
        klass="",
        branch=text(branch),
        platform=pool(text(machine)),
        submitted_ms=moment_ms(submitted, report),
        started_ms=moment_ms(started, report),
        finished_ms=moment_ms(ended, report),
        outcome=OUTCOMES.get(result, "none"),
        machine=text(machine),
    )
