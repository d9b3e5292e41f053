"""Who decides, among any number of hub processes on one database: one at a time, for as long as it is heard of.

The farm's row is all that they share. The leader moves farm time in it, at least once a second; that is its heartbeat.
The others watch the row by their own monotonic clocks: no clock is compared with another's. Every deciding
transaction carries the leader's epoch (steps.lead), so a leader that was replaced changes nothing, however late it
wakes up. What lies outside the database (a provider's call) is begun only while the lease is surely its own.
"""

import threading
from dataclasses import dataclass, replace

import msgspec

from penstock.hub import intake
from penstock.hub.context import Hub, NotLeading
from penstock.hub.steps import Step, lead
from penstock.hub.timekeeper import Timekeeper
from penstock.model.farm import Farm
from penstock.ports import Stale, Tx

LEASE_MS = 6_000
"""A row that has not moved for so long has no leader any more."""
MARGIN_MS = 1_500
"""The leader's own count ends so much earlier: clocks run at different speeds, and what it began must end."""
BEAT_MS = 700
"""The row is not moved again before: called every half second, `run_once` moves it once a second."""
BLIND_MS = 3_000
"""Who could not look for so long (it was stopped, or the database was away) begins to watch anew."""


@dataclass(frozen=True)
class Term:
    """One time of leading: `hub` decides under its epoch, `farm` is the row that says so, `timekeeper` its heartbeat."""

    hub: Hub
    farm: Farm
    timekeeper: Timekeeper

    def lasts_ms(self, monotonic_ms: int) -> int:
        """For how long from this reading nobody else can have taken over; 0 or less: do not decide."""
        last_ms = self.timekeeper.last_ms
        return 0 if last_ms is None else last_ms + LEASE_MS - MARGIN_MS - monotonic_ms


@dataclass(frozen=True)
class _Seen:
    """What the row said, since when, and when it was last looked at (monotonic)."""

    mark: tuple[str, int, int]
    since_ms: int
    looked_ms: int


class Leader:
    """One hub process's part in it. `name` says to people which process leads; `alone`: no other process can have the
    database, so there is nobody to wait for."""

    def __init__(self, hub: Hub, name: str = "hub", alone: bool = False) -> None:
        self._hub = hub
        self._id = f"{name}-{hub.entropy.token(6)}"
        self._alone = alone
        self._seen: _Seen | None = None
        self._term: Term | None = None
        self._not_before_ms: int | None = None
        self._lock = threading.Lock()

    @property
    def term(self) -> Term | None:
        """The term of now, None while another leads. Ask it how long it lasts before deciding."""
        return self._term

    def run_once(self, monotonic_ms: int) -> Term | None:
        """Be heard of while leading; else look, and take over where nobody is heard of. Returns the term of now.

        Raises StoreError when the database did not answer: then nothing changed, and the term runs out by itself.
        """
        with self._lock:
            if self._term is not None:
                self._beat(self._term, monotonic_ms)
            else:
                seen = self._look(monotonic_ms)
                if self._not_before_ms is not None and monotonic_ms < self._not_before_ms:
                    return None
                if self._alone or not seen.mark[0] or monotonic_ms - seen.since_ms >= LEASE_MS:
                    self._take(seen, monotonic_ms)
            return self._term

    def lost(self, term: Term) -> None:
        """A deciding transaction of this term was refused: another leads."""
        with self._lock:
            if self._term is term:
                self._term = None

    def resign(self) -> None:
        """Hand over: whoever watches takes over at its next look. Nothing of this process decides after it."""
        with self._lock:
            term, self._term = self._term, None
            if term is not None:
                try:
                    lead(term.hub, _leave, frozen_too=True)
                except NotLeading:
                    return

    def step_back(self, monotonic_ms: int, for_ms: int) -> None:
        """As `resign`, and let others try first for so long: this process leads and cannot decide."""
        self._not_before_ms = monotonic_ms + for_ms
        self.resign()

    def _beat(self, term: Term, monotonic_ms: int) -> None:
        last_ms = term.timekeeper.last_ms
        if last_ms is not None and monotonic_ms - last_ms < BEAT_MS:
            return
        try:
            term.timekeeper.run_once(monotonic_ms)
        except NotLeading:
            self._term = None
        except Stale:
            return  # a service of this process was writing the row: it was heard of just now

    def _look(self, monotonic_ms: int) -> _Seen:
        """What the row says now, and since when it has."""
        farm = self._hub.store.read(lambda tx: tx.get(Farm, "farm")) or intake.make_farm(self._hub)
        mark, seen = _mark(farm), self._seen
        if seen is None or seen.mark != mark or monotonic_ms - seen.looked_ms > BLIND_MS:
            seen = _Seen(mark, monotonic_ms, monotonic_ms)
        self._seen = replace(seen, looked_ms=monotonic_ms)
        return seen

    def _take(self, seen: _Seen, monotonic_ms: int) -> None:
        """Lead from now, unless the row has moved since it was looked at: then somebody else was quicker, or lives."""

        def take(tx: Tx) -> Farm | None:
            farm = tx.get(Farm, "farm")
            if farm is None or _mark(farm) != seen.mark:
                return None
            taken = msgspec.structs.replace(farm, leader=self._id, leader_epoch=farm.leader_epoch + 1)
            tx.replace(taken)
            return msgspec.structs.replace(taken, version=farm.version + 1)

        try:
            farm = self._hub.store.write(take)
        except Stale:
            farm = None
        self._seen = None
        if farm is not None:
            hub = replace(self._hub, epoch=farm.leader_epoch)
            self._term = Term(hub, farm, Timekeeper(hub, monotonic_ms))


def _mark(farm: Farm) -> tuple[str, int, int]:
    """What moves while somebody leads."""
    return farm.leader, farm.leader_epoch, farm.time_ms


def _leave(step: Step) -> None:
    step.put(msgspec.structs.replace(step.farm, leader=""))
