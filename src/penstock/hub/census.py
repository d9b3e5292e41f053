"""What waits and what was built, counted: kept in memory and followed through the outbox.

A page must not read a hundred thousand jobs to say how many there are. So each hub process counts once and then reads
only what events speak of: every event names a job or a build, and its present record is what counts, so events may
come twice or late. Where events are missing, or too many came, everything is counted anew. A hint for people, never
what a decision is made of.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from penstock.hub.context import Hub, NotFound
from penstock.hub.steps import look
from penstock.model.change import Build, Change
from penstock.model.farm import Event, Farm
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.states import JobState, Power
from penstock.ports import StoreError, Tx

FOLLOWED = 4000
"""Events that are read one by one; behind by more it is cheaper to count anew."""
PATIENCE_S = 0.2
"""How long a page waits for the counting; then it shows what was true a moment ago."""
KEPT_EVENTS = 400
KEPT_BUILDS = 10_000
KEPT_TALLIES = 200
"""Builds whose jobs are remembered one by one: those that were shown last."""
PAGE = 1000
WATCHED = ("farm", "download", "alert")
"""Kinds of events of which the newest are kept."""


class OpenJob(NamedTuple):
    """What is remembered of a job that has not ended."""

    state: JobState
    build: str
    platform: str
    klass: str
    rank: int
    ready_ms: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The queued jobs of one platform and class: how many, since when the oldest, which one goes first."""

    platform: str
    klass: str
    jobs: int
    oldest_ms: int
    first: str


Group = tuple[str, str]
"""Platform and class."""


class BuildLine(NamedTuple):
    """A build with what its change says of it."""

    build: Build
    project: str
    who: str
    ref: str
    priority: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One count. `counted` is False before the first one is done; `queue` has the largest groups first; `machines` that are
    not gone are counted by (pool, power, health)."""

    counted: bool
    states: dict[str, int]
    queue: tuple[Waiting, ...]
    machines: dict[tuple[str, str, str], int] = {}
    builds: tuple[BuildLine, ...]
    events: dict[str, tuple[Event, ...]]


NOTHING = Figures(counted=False, states={}, queue=(), builds=(), events={})


class Census:
    """The counts of one hub process. Any number of threads may ask."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._begun = threading.Lock()
        self._done = threading.Condition()
        self._rounds = 0
        self._at: tuple[str, int] | None = None
        self._open: dict[str, OpenJob] = {}
        self._states: Counter[str] = Counter()
        self._queued: dict[Group, dict[str, OpenJob]] = {}
        self._waiting: dict[Group, Waiting] = {}
        self._moved: set[Group] = set()
        self._builds: dict[str, BuildLine] = {}
        self._tallies: dict[str, dict[str, JobState]] = {}
        self._events: dict[str, deque[Event]] = {}
        self._machines: dict[str, tuple[str, str, str]] = {}
        self._figures = NOTHING

    def figures(self, patience_s: float = PATIENCE_S) -> Figures:
        """The counts of now, or, where that takes longer than `patience_s`, the last ones there are."""
        with self._done:
            seen = self._rounds
            if self._begun.acquire(blocking=False):
                threading.Thread(target=self._count, name="census", daemon=True).start()
            self._done.wait_for(lambda: self._rounds > seen, patience_s)
        return self._figures

    def tallies(self, builds: Iterable[str], patience_s: float = PATIENCE_S) -> dict[str, Counter[str]]:
        """How many jobs of each state builds have; those that could not be counted in time are left out."""
        end_s = time.monotonic() + patience_s
        found: dict[str, Counter[str]] = {}
        for build in builds:
            known, at = self._tallies.get(build), self._at
            if known is None and time.monotonic() < end_s:
                jobs = look(self._hub, partial(_jobs_of, build=build))
                known = {job.id: job.state for job in jobs}
            if known is not None:
                with self._lock:
                    kept = self._tallies.pop(build, None)
                    known = known if kept is None else kept
                    found[build] = Counter(str(state) for state in known.values())
                    # What moved while it was read was followed without it: then it is read again the next time.
                    if kept is not None or at == self._at:
                        self._tallies[build] = known
                    while len(self._tallies) > KEPT_TALLIES:
                        del self._tallies[next(iter(self._tallies))]
        return found

    def _count(self) -> None:
        """One round; a farm that closes meanwhile is counted no more."""
        try:
            with self._lock:
                if self._catch_up():
                    self._figures = self._sum_up()
        except (StoreError, NotFound):
            return
        finally:
            self._begun.release()
            with self._done:
                self._rounds += 1
                self._done.notify_all()

    def _catch_up(self) -> bool:
        """Whether there was anything new."""
        incarnation, position = look(self._hub, lambda tx, farm: (farm.incarnation, farm.position))
        events = self._events_since(incarnation, position)
        if events is None:
            self._load()
        else:
            self._follow(events)
        self._at = incarnation, position
        return events is None or bool(events)

    def _events_since(self, incarnation: str, position: int) -> list[Event] | None:
        """What was told since the last round and is not stamped yet; None where that cannot be known."""
        if self._at is None or self._at[0] != incarnation or position - self._at[1] > FOLLOWED:
            return None
        last = self._at[1]

        def read(tx: Tx, farm: Farm) -> list[Event] | None:
            found = tx.find(Event, "position", after=(last,), limit=FOLLOWED)
            fresh = tx.find(Event, "position", 0, limit=FOLLOWED)
            told = len(found) == 0 if position == last else bool(found) and found[0].position == last + 1
            return found + fresh if told and max(len(found), len(fresh)) < FOLLOWED else None

        return look(self._hub, read)

    def _load(self) -> None:
        """Read everything that is open, and the newest builds."""
        self._open = {}
        self._states.clear()
        for known in (self._queued, self._waiting, self._moved):
            known.clear()
        for name, job in look(self._hub, _open_jobs).items():
            self._put(name, job)
        self._machines = look(self._hub, _machines)
        builds = look(self._hub, _newest_builds)
        self._builds = {line.build.id: line for line in builds}
        self._tallies.clear()
        for kind in WATCHED:
            kept = look(self._hub, partial(_newest_events, kind=kind))
            self._events[kind] = deque(reversed(kept), KEPT_EVENTS)

    def _follow(self, events: list[Event]) -> None:
        jobs = {event.job for event in events if event.job}
        builds = {event.build for event in events if event.kind == "build" and event.build}
        for event in events:
            if event.kind in WATCHED and event.seq > _last(self._events.get(event.kind)):
                self._events.setdefault(event.kind, deque(maxlen=KEPT_EVENTS)).append(event)
        for job in self._records(jobs):
            self._note(job)
        named = {event.machine for event in events if event.machine}
        found = look(self._hub, lambda tx, farm: [(name, tx.get(Machine, name)) for name in sorted(named)])
        for name, machine in found:
            self._place(name, machine)
        for line in look(self._hub, lambda tx, farm: [_line_of(tx, build) for build in sorted(builds)]):
            if line is not None:
                self._builds[line.build.id] = line

    def _records(self, jobs: set[str]) -> Iterator[Job]:
        found = look(self._hub, lambda tx, farm: [tx.get(Job, job) for job in sorted(jobs)])
        return (job for job in found if job is not None)

    def _note(self, job: Job) -> None:
        self._drop(job.id)
        if job.open:
            self._put(job.id, _remembered(job))
        if job.build in self._tallies:
            self._tallies[job.build][job.id] = job.state

    def _put(self, name: str, job: OpenJob) -> None:
        self._open[name] = job
        self._states[str(job.state)] += 1
        if job.state == JobState.QUEUED:
            group = (job.platform, job.klass)
            self._queued.setdefault(group, {})[name] = job
            self._moved.add(group)

    def _drop(self, name: str) -> None:
        job = self._open.pop(name, None)
        if job is None:
            return
        self._states[str(job.state)] -= 1
        if job.state == JobState.QUEUED:
            group = (job.platform, job.klass)
            del self._queued[group][name]
            self._moved.add(group)

    def _queue(self) -> tuple[Waiting, ...]:
        """Queued jobs by platform and class, the largest groups first; only groups that changed are looked through."""
        for group in self._moved:
            jobs = self._queued[group]
            if jobs:
                self._waiting[group] = _summed(group, jobs)
            else:
                del self._queued[group]
                self._waiting.pop(group, None)
        self._moved.clear()
        return tuple(
            sorted(self._waiting.values(), key=lambda found: (-found.jobs, found.platform, found.klass))
        )

    def _place(self, name: str, machine: Machine | None) -> None:
        if machine is None or machine.power == Power.GONE:
            self._machines.pop(name, None)
        else:
            self._machines[name] = _kind(machine)

    def _sum_up(self) -> Figures:
        newest = sorted(
            self._builds.values(), key=lambda line: (line.build.created_ms, line.build.id), reverse=True
        )[:KEPT_BUILDS]
        if len(self._builds) > KEPT_BUILDS:
            self._builds = {line.build.id: line for line in newest}
        return Figures(
            counted=True,
            states={state: jobs for state, jobs in self._states.items() if jobs},
            queue=self._queue(),
            machines=dict(Counter(self._machines.values())),
            builds=tuple(newest),
            events={kind: tuple(reversed(kept)) for kind, kept in self._events.items()},
        )


def _summed(group: Group, jobs: dict[str, OpenJob]) -> Waiting:
    platform, klass = group
    return Waiting(
        platform=platform,
        klass=klass,
        jobs=len(jobs),
        oldest_ms=min(job.ready_ms for job in jobs.values()),
        first=min((job.rank, job.ready_ms, name) for name, job in jobs.items())[2],
    )


def _jobs_of(tx: Tx, farm: Farm, build: str) -> list[Job]:
    return tx.find(Job, "build", build)


def _open_jobs(tx: Tx, farm: Farm) -> dict[str, OpenJob]:
    """What is remembered of all open jobs, read in pages: whole, many would fill the memory."""
    found: dict[str, OpenJob] = {}
    after: tuple[object, ...] = ()
    while jobs := tx.find(Job, "open", True, limit=PAGE, after=after):
        found |= {job.id: _remembered(job) for job in jobs}
        after = jobs[-1].deadline_ms, jobs[-1].id
    return found


def _machines(tx: Tx, farm: Farm) -> dict[str, tuple[str, str, str]]:
    return {one.id: _kind(one) for one in tx.find(Machine, "pool") if one.power != Power.GONE}


def _kind(machine: Machine) -> tuple[str, str, str]:
    return machine.pool, str(machine.power), str(machine.health)


def _newest_builds(tx: Tx, farm: Farm) -> list[BuildLine]:
    return [_line(tx, build) for build in tx.find(Build, "created", backwards=True, limit=KEPT_BUILDS)]


def _newest_events(tx: Tx, farm: Farm, kind: str) -> list[Event]:
    return tx.find(Event, "kind", kind, backwards=True, limit=KEPT_EVENTS)


def _remembered(job: Job) -> OpenJob:
    spec = job.spec
    return OpenJob(job.state, job.build, spec.platform, spec.klass, job.rank, job.ready_ms)


def _last(kept: deque[Event] | None) -> int:
    return kept[-1].seq if kept else 0


def _line(tx: Tx, build: Build) -> BuildLine:
    change = tx.get(Change, build.change)
    if change is None:
        return BuildLine(build, "", "", "", 0)
    return BuildLine(build, change.project, change.who, change.ref, change.priority)


def _line_of(tx: Tx, build_id: str) -> BuildLine | None:
    build = tx.get(Build, build_id)
    return None if build is None else _line(tx, build)
