"""A history as columns: what a simulator replays and what limits are computed from.

One row per job that ran or could have run, in order of submission (ties in the order of the source). Columns are
`array('q')`: 8 bytes a value, as quick to read in plain Python as a list, and read in place by numpy. Times are
integer milliseconds; those that are moments are since 1970 in UTC.
"""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections.abc import Sequence
from typing import NamedTuple

UNKNOWN = -1
"""In a column of moments: not recorded."""


class Workload(NamedTuple):
    """Jobs as columns of equal length, and the texts that the columns of indexes point into.

    `submitted_ms`: when the job became runnable as far as its submitter is concerned. `duration_ms`: how long it
    ran, at least 0; no policy sees it before the job has ended. `name`, `project`, `klass`, `platform`, `branch`:
    indexes into `names`, `projects`, `classes`, `platforms`, `branches`. `cores`, `memory_mb`: 0 = not known.
    `started_ms`: when a machine began it in the history, UNKNOWN where that was not recorded; only reports
    compare with it. `needs_from` (one longer than the others) and `needs`: job `j` needs the jobs
    `needs[needs_from[j]:needs_from[j + 1]]`, each a row number; both empty when no job needs another.
    `ids`: the job ids, by row.
    """

    ids: Sequence[str]
    submitted_ms: array[int]
    duration_ms: array[int]
    started_ms: array[int]
    name: array[int]
    project: array[int]
    klass: array[int]
    platform: array[int]
    branch: array[int]
    cores: array[int]
    memory_mb: array[int]
    needs_from: array[int]
    needs: array[int]
    names: Sequence[str]
    projects: Sequence[str]
    classes: Sequence[str]
    platforms: Sequence[str]
    branches: Sequence[str]

    @property
    def jobs(self) -> int:
        """How many rows there are."""
        return len(self.submitted_ms)
