"""What became of a workload on a farm, as columns: what reports of waits and costs are made from."""

from __future__ import annotations  # array cannot be subscripted when it is run

from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SUBMIT, START, END, REQUEST, UP, SUSPEND, SUSPENDED, RESUME, DELETE, GONE, RECLAIM = range(11)
KINDS = (
    "submit",
    "start",
    "end",
    "request",
    "up",
    "suspend",
    "suspended",
    "resume",
    "delete",
    "gone",
    "reclaim",
)
"""Names of the kinds of events, in the order of their numbers."""


class PoolCosts(NamedTuple):
    """What the machines of one pool cost, in micro-units. `running` and `stopped` are all of it for what is rented;
    `idle` and `lifecycle` (coming, suspending, deleting) are parts of `running`. `owned`: machines x price x span."""

    owned: int = 0
    running: int = 0
    stopped: int = 0
    idle: int = 0
    lifecycle: int = 0


class Outcome(NamedTuple):
    """One run. Columns are by row of the workload; moments are milliseconds since 1970, -1 where it did not happen.

    `ready_ms`: submitted, and the last need ended. `first_start_ms` and `end_ms`: of the first attempt and of the one that
    ended it. `ran_ms`: duration of that attempt on its machine, without the cold extra. `pool`: where it ended, an
    index into `pools`. `attempts`: how many. `work_ms`: machine time of all attempts, lost ones and cold extras
    included. `peaks`: the most machines of each pool that were paid as running at once; `peak`: of all rented pools
    together. `begun_ms`, `ended_ms`: first submission and last end of the run. `digest` is of the event lines.
    `dropped`: jobs that no pool suits, or that need one that none suits, by reason; they never run.
    """

    ready_ms: array[int]
    first_start_ms: array[int]
    end_ms: array[int]
    ran_ms: array[int]
    pool: array[int]
    attempts: array[int]
    pools: Sequence[str]
    owned: Sequence[bool]
    costs: Sequence[PoolCosts]
    work_ms: Sequence[int]
    boots: Sequence[int]
    resumes: Sequence[int]
    peaks: Sequence[int]
    peak: int
    begun_ms: int
    ended_ms: int
    digest: str
    dropped: Mapping[str, int] = {}
