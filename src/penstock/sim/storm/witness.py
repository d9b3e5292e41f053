"""Sees every row that is written, and holds what was touched against the invariants after every step; now and then all of it."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from penstock.hub.fsck import load_books
from penstock.model import invariants
from penstock.model.books import Books
from penstock.model.change import Build
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Edge, Job
from penstock.model.machine import Machine, Session
from penstock.ports import Tx
from penstock.store.memory import MemoryStore

T = TypeVar("T")
Row = Any
LOCAL = ("I1", "I2", "I3", "I4", "I6", "I8", "I11", "I13", "I14", "I15", "builds")
"""Invariants that can be told of the records around what was touched; the others look at all."""


class Watched(MemoryStore):
    """A store that keeps what was written until it is taken. `meanwhile` is asked before each write: others act there."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[Row | None, Row | None]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self._inside = False

    def write(self, operation: Callable[[Tx], T]) -> T:
        """As ports.Store.write."""
        if not self._inside:
            self._inside = True
            try:
                self.meanwhile()
            finally:
                self._inside = False

        def seen(tx: Tx) -> T:
            result = operation(tx)
            self._rows += tx.written()  # type: ignore[attr-defined]
            return result

        return super().write(seen)

    def take(self) -> list[tuple[Row | None, Row | None]]:
        """What was written since the last time: each row as it was and as it became."""
        rows, self._rows = self._rows, []
        return rows


class Witness:
    """One world's. `wrong` is everything that was not as it must be."""

    def __init__(self, store: Watched) -> None:
        self._store = store
        self.wrong: list[str] = []
        self.steps = 0
        self._positions: dict[int, int] = {}
        self._last: dict[str, int] = {}

    def say(self, invariant: str, subject: str, text: str) -> None:
        """One breach."""
        self.wrong.append(f"{invariant} {subject}: {text}")

    def after_step(self) -> list[tuple[Row | None, Row | None]]:
        """Check what the step touched. Returns it."""
        self.steps += 1
        rows = self._store.take()
        if rows:
            farm, books = self._store.read(lambda tx: _around(tx, rows))
            for name in LOCAL:
                for subject, text in invariants.INVARIANTS[name](books):
                    self.say(name, subject, text)
            self._events(farm, [new for _, new in rows if isinstance(new, Event)])
        return rows

    def whole(self) -> None:
        """Check all there is."""
        books = self._store.read(lambda tx: load_books(tx, _farm(tx)))
        self.wrong += [str(one) for one in invariants.violations(books)]

    def _events(self, farm: Farm, events: Iterable[Event]) -> None:
        """I16: positions are given once, rise within each job, and are not beyond the farm's own."""
        for event in sorted((one for one in events if one.position), key=lambda one: one.position):
            if self._positions.setdefault(event.position, event.seq) != event.seq:
                self.say("I16", "outbox", f"position {event.position} was given twice")
            if event.position > farm.position:
                self.say("I16", "outbox", f"position {event.position} is beyond the farm's {farm.position}")
            if event.job and event.seq < self._last.get(event.job, 0):
                self.say("I16", event.job, f"event {event.seq} comes after event {self._last[event.job]}")
            self._last[event.job] = event.seq


def _farm(tx: Tx) -> Farm:
    farm = tx.get(Farm, "farm")
    assert farm is not None
    return farm


def _around(tx: Tx, rows: Iterable[tuple[Row | None, Row | None]]) -> tuple[Farm, Books]:
    """What was touched with all that an invariant looks at beside it: whole builds, whole machines."""
    builds: dict[str, None] = {}
    machines: dict[str, None] = {}
    for old, new in rows:
        row = old if new is None else new
        if isinstance(row, Build):
            builds[row.id] = None
        elif isinstance(row, Job):
            builds[row.build] = None
        elif isinstance(row, Attempt):
            builds[row.build] = machines[row.machine] = None
        elif isinstance(row, Edge):
            builds[row.child.rpartition("-")[0]] = None
        elif isinstance(row, Machine):
            machines[row.id] = None
        elif isinstance(row, Session):
            machines[row.machine] = None
    found: list[msgspec.Struct] = []
    for name in machines:
        found += _machine(tx, name, builds)
    for name in (left := list(builds)):
        mine = _build(tx, name)
        found += mine
        for build in sorted(_made_elsewhere(mine) - builds.keys()):
            builds[build] = None
            left.append(build)
    farm = _farm(tx)
    return farm, Books(farm, found)


def _made_elsewhere(rows: Iterable[Row]) -> set[str]:
    """Builds in which what these jobs wait for is made."""
    producers = {one.waits_on for one in rows if isinstance(one, Job)} - {""}
    return {producer.rpartition("-")[0] for producer in producers}


def _machine(tx: Tx, name: str, builds: dict[str, None]) -> list[msgspec.Struct]:
    machine = tx.get(Machine, name)
    for attempt in tx.find(Attempt, "machine", name, True):
        builds[attempt.build] = None
    sessions = tx.find(Session, "open", True, name)
    return [*([machine] if machine else []), *sessions]


def _build(tx: Tx, name: str) -> list[msgspec.Struct]:
    found: list[msgspec.Struct] = list(tx.find(Attempt, "build", name))
    build, jobs = tx.get(Build, name), tx.find(Job, "build", name)
    for job in jobs:
        found += tx.find(Edge, "child", job.id)
    return [*found, *jobs, *([build] if build else [])]
