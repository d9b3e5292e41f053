"""Recorded histories for measuring policies, from the folder that PENSTOCK_DATA names. Each is one platform and one class,
without needs: one pool of owned and one of rented machines take every job."""

import os
import tempfile
from array import array
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from penstock.history import normal
from penstock.history.importing import import_history
from penstock.model.units import DAY_MS, MS_PER_HOUR
from penstock.model.workload import Workload
from penstock.wiring import history_format

DATA = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
FOREVER_MS = 10**15


class Source(NamedTuple):
    """Where a history is: a format of `penstock history import`, a file, and which submissions are meant, in
    milliseconds after the first one."""

    form: str
    file: str
    from_ms: int = 0
    until_ms: int = FOREVER_MS


BITCOIN, BUILDS, TESTS, MOZILLA = (
    ("bitcoin-ci", "bitcoin-ci/tasks.json.gz"),
    ("firefox-ci", "firefox-ci/gecko-3-b-linux.dat"),
    ("firefox-ci", "firefox-ci/gecko-t-t-linux-large.dat"),
    ("treeherder", "mozilla/treeherder_jobsample_2013-11-12.jsonl.gz"),
)
SOURCES = {
    "bitcoin, from day 12": Source(*BITCOIN, from_ms=12 * DAY_MS),
    "bitcoin": Source(*BITCOIN),
    "mobile": Source("firefox-ci", "firefox-ci/mobile-3-b-linux-large.dat"),
    "builds, 2 days": Source(*BUILDS, until_ms=2 * DAY_MS),
    "builds": Source(*BUILDS),
    "tests, 18 h": Source(*TESTS, until_ms=18 * MS_PER_HOUR),
    "tests": Source(*TESTS),
    "mozilla 2013": Source(*MOZILLA),
    "bmad": Source("github-actions", "github-actions/raw__bmad_simbmad_ecosystem_wf69576399_fixed.csv.gz"),
    "pr3y": Source("github-actions", "github-actions/raw__pr3y_Bruce_wf121541665_fixed.csv.gz"),
}


@cache
def history(name: str) -> Workload:
    """The jobs of SOURCES[name], in order of submission. Raises Unreadable when its file cannot be imported."""
    source = SOURCES[name]
    whole = _whole(source.form, source.file)
    after_ms = np.array(whole.submitted_ms) - whole.submitted_ms[0]
    return one_platform(whole, (after_ms >= source.from_ms) & (after_ms < source.until_ms))


def _whole(form: str, file: str) -> Workload:
    with tempfile.TemporaryDirectory() as folder:
        return normal.load([imported(form, file, Path(folder))])[0]


def imported(form: str, file: str, folder: Path) -> Path:
    """A file of DATA in the normal form, as a file in `folder`."""
    out = folder / "history.csv"
    import_history(history_format(form), [DATA / file], out)
    return out


def one_platform(whole: Workload, kept: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Workload:
    """The `kept` jobs, as if they could all run on every machine."""

    def column(values: "array[int]") -> "array[int]":
        return array("q", np.array(values)[kept].tolist())

    blank = array("q", bytes(8 * int(kept.sum())))
    return whole._replace(
        ids=[job for job, wanted in zip(whole.ids, kept, strict=True) if wanted],
        submitted_ms=column(whole.submitted_ms),
        duration_ms=column(whole.duration_ms),
        started_ms=column(whole.started_ms),
        name=column(whole.name),
        **dict.fromkeys(("project", "klass", "platform", "branch", "cores", "memory_mb"), blank),
        **dict.fromkeys(("needs_from", "needs"), array("q")),
        projects=[""],
        classes=[""],
        branches=[""],
        platforms=["any"],
    )
