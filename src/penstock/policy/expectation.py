"""When a job that waits is expected to start: what runs ends in its time, and the line moves up behind it.

List scheduling over the machines that would take the job: those before it in the line start one after the other,
each as soon as a machine has room for it. Durations come from runs that have ended; what comes later, and machines
that are not there yet, are not known and not counted. Pure; O(jobs before it x log machines).
"""

import heapq
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from math import isqrt

import msgspec

from penstock.model.estimate import Estimate, spread_ms
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask, Snapshot
from penstock.model.units import MS_PER_S, Size
from penstock.policy.line import Line
from penstock.policy.suitability import fits, refusals

FEW = 3
"""Fewer runs than this say nothing about how much they differ: then a quarter of the mean is taken at least."""
P90 = 128
"""Of a normal distribution nine of ten values are below the mean and so many hundredths of the deviation."""


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """How long a job takes: mean and deviation. `runs`: from how many of its own; 0 = it is only assumed, from
    others on its platform or from its time limit. Nothing that goes on takes less than a millisecond."""

    mean_ms: int
    spread_ms: int = 0
    runs: int = 0


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """What runs on a machine, how much it holds, and how long it goes on."""

    machine: str
    project: str
    size: Size
    left: Duration


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """From now on, in milliseconds: half of such jobs start within `p50_ms`, nine of ten within `p90_ms`.

    `before`: jobs that go before it. `sure` is False when there are more of them than were looked at: then it is at
    least as late. `learnt`: of how many that run or go before it the durations are those of earlier runs;
    `assumed`: of how many they are not.
    """

    p50_ms: int
    p90_ms: int
    before: int
    sure: bool = True
    learnt: int = 0
    assumed: int = 0


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job starts, and when from now on: half of such jobs within `p50_ms`, nine of ten within `p90_ms`."""

    machine: str
    p50_ms: int
    p90_ms: int


Takes = Callable[[Ask, Machine], bool]
"""Whether a machine takes such jobs at all."""


def duration(own: Estimate | None, platform: Estimate | None, timeout_ms: int) -> Duration:
    """How long a job takes by what is known: its own runs, those of its platform, else its time limit."""
    if own is not None and own.count:
        least_ms = own.mean_ms // 4 if own.count < FEW else 0
        return Duration(mean_ms=own.mean_ms, spread_ms=max(spread_ms(own), least_ms), runs=own.count)
    if platform is not None and platform.count:
        mean_ms = min(platform.mean_ms, timeout_ms)
        return Duration(mean_ms=mean_ms, spread_ms=max(spread_ms(platform), mean_ms // 4))
    return Duration(mean_ms=timeout_ms)


def left(whole: Duration, elapsed_ms: int) -> Duration:
    """How long a job goes on that has run for so long: the rest; of one that takes longer than usual, as long as
    its kind differs, at least a tenth of the mean and one second."""
    rest_ms = whole.mean_ms - elapsed_ms
    if rest_ms <= 0:
        rest_ms = max(whole.spread_ms, whole.mean_ms // 10, MS_PER_S)
    return msgspec.structs.replace(whole, mean_ms=rest_ms, spread_ms=min(whole.spread_ms, rest_ms))


def expect(
    snapshot: Snapshot, ask: Ask, target: str, busy: Sequence[Busy], durations: Mapping[str, Duration]
) -> Expected | None:
    """When the job `target` starts, which asks for `ask`. None when no machine takes it now.

    `durations`: of all jobs of the snapshot. A target that is not among them stands behind them all: then the
    answer is for the first place behind them.
    """
    hall = _Hall(snapshot, busy)
    if not hall.takers(ask):
        return None
    return _Count(snapshot, hall, ask, busy).until(target, durations)


def starts(
    snapshot: Snapshot,
    busy: Sequence[Busy],
    durations: Mapping[str, Duration],
    ready_ms: Mapping[str, int],
    takes: Takes,
) -> dict[str, Start]:
    """When and where each job of the snapshot starts; those that no machine takes are left out.

    `ready_ms`: machines that can run nothing before so long from now. `takes`: what suits what. As `expect`, for all."""
    hall = _Hall(snapshot, busy, takes)
    for bench in hall.benches:
        bench.floor = (ready_ms.get(bench.machine.id, 0), 0)
    walk = _Walk(snapshot, hall, busy)
    for number, group in enumerate(snapshot.groups):
        if not hall.takers(group.ask):
            walk.line.passed_over(number)
    found: dict[str, Start] = {}
    while (first := walk.line.first()) is not None:
        number, job = first
        machine, (start_ms, variance) = walk.start(number, durations[job.job])
        late_ms = start_ms + isqrt(variance) * P90 // 100
        found[job.job] = Start(machine=machine.id, p50_ms=start_ms, p90_ms=late_ms)
    return found


class _Bench:
    """One machine as it fills up. `ends`: when what it runs ends, with the variance of that; by time. `floor`: when
    the last one was placed, likewise: nobody overtakes it there."""

    __slots__ = ("ends", "floor", "machine")

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ends: list[tuple[int, int, Size]] = []
        self.floor = (0, 0)

    def room(self, ask: Ask) -> tuple[int, int]:
        """When there is room for such a job, and the variance of that."""
        at, taken = 0, Size(0, 0)
        for _, _, size in self.ends:
            taken = taken.more(size)
        while len(self.ends) - at >= self.machine.slots or not fits(ask, self.machine, taken):
            taken = taken.less(self.ends[at][2])
            at += 1
        return self.ends[at - 1][:2] if at else self.floor

    def take(self, ask: Ask, start: tuple[int, int], takes: Duration) -> None:
        """Put a job there from then on."""
        self.floor = start
        self.ends = [end for end in self.ends if end[0] > start[0]]
        insort(self.ends, (start[0] + takes.mean_ms, start[1] + takes.spread_ms**2, ask.size))


class _Hall:
    """All machines that take anything now, and for each ask those that take it, the one with room first."""

    def __init__(self, snapshot: Snapshot, busy: Sequence[Busy], takes: Takes | None = None) -> None:
        self._takes: Takes = takes or (lambda ask, machine: not refusals(ask, machine, snapshot))
        self.benches = [_Bench(machine) for machine in snapshot.machines]
        self._heaps: dict[Ask, list[tuple[int, int]]] = {}
        by_id = {bench.machine.id: bench for bench in self.benches}
        for one in busy:
            if (bench := by_id.get(one.machine)) is not None:
                insort(bench.ends, (one.left.mean_ms, one.left.spread_ms**2, one.size))

    def takers(self, ask: Ask) -> list[tuple[int, int]]:
        """A heap of (when there is room, number of the bench)."""
        ask = msgspec.structs.replace(ask, level=0)
        if ask not in self._heaps:
            heap = [
                (bench.room(ask)[0], number)
                for number, bench in enumerate(self.benches)
                if self._takes(ask, bench.machine)
            ]
            heapq.heapify(heap)
            self._heaps[ask] = heap
        return self._heaps[ask]

    def first(self, ask: Ask) -> tuple[_Bench, tuple[int, int]]:
        """The machine that has room first, when, and the variance of that; of several the first by number."""
        heap = self.takers(ask)
        while True:
            seen_ms, number = heap[0]
            room = self.benches[number].room(ask)
            if room[0] == seen_ms:
                return self.benches[number], room
            heapq.heapreplace(heap, (room[0], number))


class _Walk:
    """The line moves up: each job starts where there is room first, and gives its share back when it ends."""

    def __init__(self, snapshot: Snapshot, hall: _Hall, busy: Sequence[Busy]) -> None:
        self._groups, self._hall = snapshot.groups, hall
        self.line = Line(snapshot)
        self._ends = [(one.left.mean_ms, one.project, one.size.cores) for one in busy]
        heapq.heapify(self._ends)

    def start(self, number: int, takes: Duration) -> tuple[Machine, tuple[int, int]]:
        """Start the first job of a group: where, when, and the variance of that."""
        ask = self._groups[number].ask
        bench, room = self._hall.first(ask)
        while self._ends and self._ends[0][0] <= room[0]:
            _, project, cores = heapq.heappop(self._ends)
            self.line.gives_back(project, cores)
        bench.take(ask, room, takes)
        heapq.heappush(self._ends, (room[0] + takes.mean_ms, ask.project, ask.size.cores))
        self.line.served(number)
        return bench.machine, room


class _Count:
    """One expectation being counted. Groups that share no machine with the ask are left out."""

    def __init__(self, snapshot: Snapshot, hall: _Hall, ask: Ask, busy: Sequence[Busy]) -> None:
        self._hall, self._ask = hall, ask
        self._walk = _Walk(snapshot, hall, busy)
        near = {number for _, number in hall.takers(ask)}
        for number, group in enumerate(snapshot.groups):
            if near.isdisjoint(other for _, other in hall.takers(group.ask)):
                self._walk.line.passed_over(number)
        machines = {hall.benches[number].machine.id for number in near}
        self._seen = [one.left for one in busy if one.machine in machines]
        self._before = 0

    def until(self, target: str, durations: Mapping[str, Duration]) -> Expected:
        """Let all start that go before the target, then it."""
        sure = False
        while (first := self._walk.line.first()) is not None:
            number, job = first
            if job.job == target:
                sure = True
                break
            self._walk.start(number, durations[job.job])
            self._before += 1
            self._seen.append(durations[job.job])
        start_ms, variance = self._hall.first(self._ask)[1]
        learnt = sum(takes.runs > 0 for takes in self._seen)
        return Expected(
            p50_ms=start_ms,
            p90_ms=start_ms + isqrt(variance) * P90 // 100,
            before=self._before,
            sure=sure,
            learnt=learnt,
            assumed=len(self._seen) - learnt,
        )
