"""Firefox-CI's recorded load: a file per pool, pairs of big-endian 32-bit numbers.

From the simulator of Taskcluster's provisioner: milliseconds since the recording began when a job was created, and
its duration in milliseconds. When a machine began it was not recorded: it is taken as begun when it was created.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.history.report import Report, Unreadable
from penstock.history.rows import Row
from penstock.history.sources import opened

_PAIR = struct.Struct(">II")
_PAIRS_AT_ONCE = 8192


def rows(paths: Sequence[Path], report: Report) -> Iterator[Row]:
    """A row per pair; platform and name are the pool, the file's name. Unreadable when a file ends within a pair."""
    for path in paths:
        pool = path.name.split(".")[0]
        for number, (created_ms, duration_ms) in enumerate(_pairs(path, report)):
            report.at(number + 1)
            yield Row(
                job_id=f"{pool}-{number}",
                name=pool,
                project="",
                klass="",
                branch="",
                platform=pool,
                submitted_ms=created_ms,
                started_ms=created_ms,
                finished_ms=created_ms + duration_ms,
                outcome="passed",
            )


def _pairs(path: Path, report: Report) -> Iterator[tuple[int, int]]:
    with opened(path, report) as stream:
        while data := stream.read(_PAIRS_AT_ONCE * _PAIR.size):
            if len(data) % _PAIR.size:
                raise Unreadable(
                    report.file,
                    None,
                    "ends within a pair of numbers",
                    "it is pairs of 4 bytes each: created, duration",
                )
            yield from _PAIR.iter_unpack(data)
