"""Lines of a run as bytes: put together from texts in compiled code, and in Python, the same."""

import json

import numpy as np
import pytest

from penstock.sim.engine import text
from penstock.sim.record import Record

LINES = np.array(
    [
        (5, 0, 0, -1, -1, -1),
        (1_700_000_000_000, 1, 2, 1, 0, 12),
        (-7, 2, 1, 10, 1, 9),
        (0, 6, -1, -1, 1, 100),
    ],
    np.int64,
).T


@pytest.mark.parametrize("ids", [("a", "job-1", "x y"), ('say "hi"', "nö", "\n\\")])
def test_both_ways_write_the_same_lines(ids: tuple[str, ...]) -> None:
    plain, quick = [], []
    pools = ("own", 'b"k')
    for told, write in ((plain, None), (quick, text.write)):
        record = Record(ids, pools, told.append, write)
        for count in (4, 2, 0):
            record.take(LINES, count)
    assert plain == quick
    assert [json.loads(line) for line in plain[0].splitlines()] == [
        _line(5, "submit", ids[0], None, None, None),
        _line(1_700_000_000_000, "start", ids[2], 1, "own-12", "own"),
        _line(-7, "end", ids[1], 10, 'b"k-9', 'b"k'),
        _line(0, "suspended", None, None, 'b"k-100', 'b"k'),
    ]


def _line(
    t_ms: int, kind: str, job: str | None, attempt: int | None, machine: str | None, pool: str | None
) -> dict[str, object]:
    return {"t_ms": t_ms, "kind": kind, "job": job, "attempt": attempt, "machine": machine, "pool": pool}


def test_nothing_was_submitted() -> None:
    assert Record((), (), None, text.write).text() == Record((), (), None).text()
