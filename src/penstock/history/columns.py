"""Rows into the columns that a simulator replays: in order of submission, names as indexes, needs as row numbers."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from penstock.history.rows import Row
from penstock.model.graph import cycles
from penstock.model.workload import Workload

UNKNOWN_NEED = "needs: a job that is not there"
CYCLE_NEED = "needs: a job that needs it in turn"


class Columns:
    """Takes rows one by one, about 250 bytes each, and gives the workload once."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._numbers = tuple(array("q") for _ in range(5))
        self._indexes = tuple(array("q") for _ in range(5))
        self._put = [column.append for column in self._indexes]
        self._names: tuple[dict[str, int], ...] = tuple({} for _ in range(5))
        self._needs: dict[str, list[str]] = {}

    def add(self, row: Row) -> None:
        """Keep a row that ran."""
        self.ids.append(row.job_id)
        submitted, duration, started, cores, memory = self._numbers
        submitted.append(row.submitted_ms)
        duration.append(row.finished_ms - row.started_ms)
        started.append(row.started_ms)
        cores.append(row.cores)
        memory.append(row.memory_mb)
        texts = row.name, row.project, row.klass, row.platform, row.branch
        for put, known, text in zip(self._put, self._names, texts):  # noqa: B905  (each is of five)
            put(known.setdefault(text, len(known)))
        if row.needs:
            self._needs[row.job_id] = list(dict.fromkeys(row.needs.split()))

    def workload(self) -> tuple[Workload, dict[str, int]]:
        """All rows in order of submission, ties as they came; how many needs were left out, and why."""
        order = _order(self._numbers[0])
        submitted, duration, started, cores, memory = (_ordered(c, order) for c in self._numbers)
        name, project, klass, platform, branch = (_ordered(c, order) for c in self._indexes)
        ids = self.ids if order is None else [self.ids[row] for row in order]
        needs_from, needs, dropped = resolved(ids, self._needs)
        names = [list(known) for known in self._names]
        found = Workload(
            ids=ids,
            submitted_ms=submitted,
            duration_ms=duration,
            started_ms=started,
            name=name,
            project=project,
            klass=klass,
            platform=platform,
            branch=branch,
            cores=cores,
            memory_mb=memory,
            needs_from=needs_from,
            needs=needs,
            names=names[0],
            projects=names[1],
            classes=names[2],
            platforms=names[3],
            branches=names[4],
        )
        return found, dropped


def _order(submitted_ms: array[int]) -> list[int] | None:
    """Row numbers in order of submission; None when they already are."""
    before = iter(submitted_ms)
    next(before, None)
    if all(earlier <= later for earlier, later in zip(submitted_ms, before, strict=False)):
        return None
    return sorted(range(len(submitted_ms)), key=submitted_ms.__getitem__)


def _ordered(column: array[int], order: Sequence[int] | None) -> array[int]:
    return column if order is None else array("q", map(column.__getitem__, order))


def resolved(
    ids: Sequence[str], needs: Mapping[str, Sequence[str]]
) -> tuple[array[int], array[int], dict[str, int]]:
    """The columns `needs_from` and `needs` of a workload with these ids, and what was left out of them.

    Left out are needs of jobs that are not there and those between jobs of one cycle. Both columns are empty when
    nothing is needed.
    """
    if not needs:
        return array("q"), array("q"), {}
    dropped: Counter[str] = Counter()
    rows = {job: row for row, job in enumerate(ids)}
    knot_of = {job: number for number, knot in enumerate(cycles(needs)) for job in knot}
    starts, found = array("q", [0]), array("q")
    for job in ids:
        for need in needs.get(job, ()):
            if need not in rows:
                dropped[UNKNOWN_NEED] += 1
            elif job in knot_of and knot_of[job] == knot_of.get(need):
                dropped[CYCLE_NEED] += 1
            else:
                found.append(rows[need])
        starts.append(len(found))
    return (starts, found, dict(dropped)) if found else (array("q"), array("q"), dict(dropped))
