"""Rows into the columns that a simulator replays: in order of submission, names as indexes, needs as row numbers."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array

from penstock.history.needs import resolved
from penstock.history.rows import Row
from penstock.model.workload import Workload


class Columns:
    """Takes rows one by one, about 250 bytes each, and gives the workload once."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._numbers = [array("q") for _ in range(5)]
        self._indexes = [array("q") for _ in range(5)]
        self._put = [column.append for column in self._indexes]
        self._names: tuple[dict[str, int], ...] = tuple({} for _ in range(5))
        self._needs: dict[str, str] = {}

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
            self._needs[row.job_id] = row.needs

    def workload(self) -> tuple[Workload, dict[str, int]]:
        """All rows in order of submission, ties as they came; how many needs were left out, and why."""
        if (order := _order(self._numbers[0])) is not None:
            self._sort(order)
        submitted, duration, started, cores, memory = self._numbers
        name, project, klass, platform, branch = self._indexes
        ids = self.ids
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

    def _sort(self, order: array[int]) -> None:
        """Put every column into this order, one after the other: there are never two copies of all."""
        for columns in (self._numbers, self._indexes):
            for number, column in enumerate(columns):
                columns[number] = array("q", map(column.__getitem__, order))
        self.ids = [self.ids[row] for row in order]


def _order(submitted_ms: array[int]) -> array[int] | None:
    """Row numbers in order of submission; None when they already are."""
    before = iter(submitted_ms)
    next(before, None)
    if all(earlier <= later for earlier, later in zip(submitted_ms, before, strict=False)):
        return None
    return array("q", sorted(range(len(submitted_ms)), key=submitted_ms.__getitem__))
