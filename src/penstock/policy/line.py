"""The queue as a line: which job is to be served next, while places are given and some jobs find none.

A lower level goes first. Of one level that project goes first that holds least for its share, so that no project can
push the others aside by asking for more; within a project the turns count. One half-hour of eight (farm time) is for
those whose turn is overdue: then the longest overdue goes first, whatever its level and project, so that every job
starts at last. In between it is strict. Cost: O(log groups) for each job served.
"""

import heapq

from penstock.model.snapshot import Queued, Snapshot
from penstock.model.units import MS_PER_S
from penstock.policy.ordering import turn_of

SLICE_MS = 1_800_000
SLICES = 8
"""The last of so many slices of farm time is for those that are overdue."""
EXACT = 1 << 32
"""Held cores for one part of a share are compared in so many parts of a core."""

_Key = tuple[int, int, Queued, str]


def overdue_first(now_ms: int) -> bool:
    """True in the half-hours of farm time in which those go first whose turn is long over."""
    return now_ms // SLICE_MS % SLICES == SLICES - 1


def overdue(rank: int, now_ms: int) -> bool:
    """True when the turn of a job of this rank is over."""
    return turn_of(rank) < now_ms // MS_PER_S


class Line:
    """The groups of a snapshot, each at its first job that is not served yet.

    The heap has one entry for each level and project: (level, cores held for its share, its first job, project).
    Entries are made true when they come to the top: while places are given they only get larger. Where something is
    given back, `_smaller`, the heap is made anew: O(levels x projects).
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._held = dict(snapshot.running)
        self._at = [0] * len(snapshot.groups)
        self._groups: dict[tuple[int, str], list[tuple[Queued, int]]] = {}
        self._late: list[tuple[int, Queued, int]] = []
        late = overdue_first(snapshot.now_ms)
        for number, group in enumerate(snapshot.groups):
            self._groups.setdefault((group.ask.level, group.ask.project), []).append((group.jobs[0], number))
            if late and overdue(group.jobs[0].rank, snapshot.now_ms):
                self._late.append((turn_of(group.jobs[0].rank), group.jobs[0], number))
        heapq.heapify(self._late)
        for heads in self._groups.values():
            heapq.heapify(heads)
        self._heap: list[_Key] = []
        self._smaller = True

    def first(self) -> tuple[int, Queued] | None:
        """The number of the group that is served next, and its job; None when nobody is left."""
        while self._late:
            _, head, number = self._late[0]
            now = self._head(number)
            if now == head:
                return number, head
            heapq.heappop(self._late)
            if now is not None and overdue(now.rank, self._snapshot.now_ms):
                heapq.heappush(self._late, (turn_of(now.rank), now, number))
        return self._ordinary()

    def served(self, number: int) -> None:
        """The first job of this group has its place: its project holds more."""
        self.holds(number)
        self._at[number] += 1

    def passed_over(self, number: int) -> None:
        """Nobody of this group is served any more."""
        self._at[number] = len(self._snapshot.groups[number].jobs)

    def holds(self, number: int) -> None:
        """The project of this group holds what its first job asks for, be it only kept for it: so it does not get
        other places instead, and next time the job is first again."""
        ask = self._snapshot.groups[number].ask
        self._held[ask.project] = self._held.get(ask.project, 0) + ask.size.cores

    def gives_back(self, project: str, cores: int) -> None:
        """A job of this project has ended meanwhile."""
        self._held[project] = self._held.get(project, 0) - cores
        self._smaller = True

    def rest(self) -> list[Queued]:
        """The first of each group that is left, by rank, ready time and id."""
        heads = (self._head(number) for number in range(len(self._at)))
        return sorted(head for head in heads if head is not None)

    def _ordinary(self) -> tuple[int, Queued] | None:
        if self._smaller:
            self._heap = [self._key(level, project) for level, project in self._groups]
            heapq.heapify(self._heap)
            self._smaller = False
        while self._heap:
            key = level, _, _, project = self._heap[0]
            heads = self._groups.get((level, project))
            if heads is None or not self._settle(heads):
                self._groups.pop((level, project), None)
                heapq.heappop(self._heap)
            elif (now := self._key(level, project)) != key:
                heapq.heapreplace(self._heap, now)
            else:
                return heads[0][1], heads[0][0]
        return None

    def _settle(self, heads: list[tuple[Queued, int]]) -> bool:
        """Make the first of these heads true. False when none is left."""
        while heads:
            head, number = heads[0]
            now = self._head(number)
            if now == head:
                return True
            if now is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (now, number))
        return False

    def _head(self, number: int) -> Queued | None:
        jobs = self._snapshot.groups[number].jobs
        return jobs[self._at[number]] if self._at[number] < len(jobs) else None

    def _key(self, level: int, project: str) -> _Key:
        share = self._snapshot.shares.get(project, 1)
        held = self._held.get(project, 0) * EXACT // share
        return level, held, self._groups[level, project][0][0], project
