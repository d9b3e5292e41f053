"""A provider that does all that real ones do to a farm, and holds every call that it gets against the farm's books."""

from bisect import insort
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from penstock.model.job import Attempt
from penstock.model.machine import Machine
from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_MACHINE, Listing, Notice, Order
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.model.units import NEVER_MS
from penstock.ports import NoAnswer, NoCapacity, ProviderError, QuotaReached, Tx
from penstock.providers.simulated import Simulated, Weather

T = TypeVar("T")
APART_MS = 60_000
PAUSE_MS = 60_000
"""Who was refused for want of machines asks no sooner again."""
KEPT = 40
"""So many listings are remembered."""
STRANGER = "somebody else"
"""The farm whose machines are none of ours."""


class Trouble(NamedTuple):
    """How often what a weather does not have goes wrong: stopping is refused, or never ends; resuming is refused."""

    refuses_stop: float = 0.0
    sticks: float = 0.0
    refuses_resume: float = 0.0


class Court(Protocol):
    """Whom a breach is told to, and whose books are looked at."""

    def breach(self, invariant: str, subject: str, text: str) -> None:
        """Something is not as it must be."""
        ...

    def note(self, text: str) -> None:
        """Something happened; it is shown where a day goes wrong."""
        ...

    def look(self, operation: Callable[[Tx], T]) -> T:
        """Read the farm's books."""
        ...


class Stormy(Simulated):
    """One pool's. `now`: the true time, whatever clocks say."""

    def __init__(self, pool: Pool, now: Callable[[], int], seed: int, weather: Weather, court: Court) -> None:
        super().__init__(pool, now, seed, weather)
        self.trouble = Trouble()
        self.noticed: dict[str, int] = {}
        self.refused_ms = -PAUSE_MS
        self.resumed: list[int] = []
        self._court, self._strangers = court, 0
        self._asked: set[str] = set()
        self._lists: list[tuple[int, frozenset[str]]] = []

    # Calls, each held against the books

    def create(self, order: Order) -> str:
        """As ports.Provider."""
        self._intended(order)
        now_ms = self._now()
        if order.token not in self._asked and self.refused_ms < now_ms < self.refused_ms + PAUSE_MS:
            self._court.breach("7.5", order.name, "was ordered though its pool had none a moment ago")
        self._asked.add(order.token)
        try:
            return self._noted(f"create {order.name}", lambda: super(Stormy, self).create(order))
        except (NoCapacity, QuotaReached):
            self.refused_ms = now_ms
            raise

    def resume(self, id_: str) -> None:
        """As ports.Provider."""
        self._idle(id_, "resumed")
        self.resumed.append(self._now())
        self._noted(f"resume {id_}", lambda: self._resume(id_))

    def suspend(self, id_: str) -> None:
        """As ports.Provider."""
        self._idle(id_, "suspended")
        self._noted(f"suspend {id_}", lambda: self._suspend(id_))

    def delete(self, id_: str) -> None:
        """As ports.Provider."""
        self._idle(id_, "deleted")
        if id_ not in self._wanted_gone():
            self._strange(id_)
        self._noted(f"delete {id_}", lambda: super(Stormy, self).delete(id_))

    def list(self) -> Listing:
        """As ports.Provider."""
        listing = super().list()
        if listing.complete:
            there = frozenset(one.id for one in listing.instances if one.state not in ("going", "gone"))
            self._lists = [*self._lists[-KEPT:], (self._now(), there)]
        return listing

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider."""
        found = super().notices()
        for notice in found:
            self.noticed.setdefault(notice.id, self._now())
        return found

    def _resume(self, id_: str) -> None:
        if self._befalls("resume", self.trouble.refuses_resume):
            raise NoCapacity(f"{id_} cannot be started now")
        super().resume(id_)

    def _suspend(self, id_: str) -> None:
        if self._befalls("stop", self.trouble.refuses_stop):
            raise NoAnswer(f"{id_} does not stop")
        super().suspend(id_)
        machine = self._machines.get(id_)
        if machine is not None and self._befalls("stick", self.trouble.sticks):
            machine.turn(self._now(), "stopping", NEVER_MS, None)

    def _noted(self, what: str, call: Callable[[], T]) -> T:
        try:
            answer = call()
        except ProviderError as problem:
            self._court.note(f"{what}: {type(problem).__name__}")
            raise
        self._court.note(f"{what}: {answer or 'taken'}")
        return answer

    # What befalls machines

    def stopped_by_somebody(self, id_: str) -> None:
        """Whoever it was did not ask the farm."""
        machine, now_ms = self._machines[id_], self._now()
        machine.turn(now_ms, "stopping", now_ms + 10_000, "stopped")

    def deleted_by_somebody(self, id_: str) -> None:
        """Likewise."""
        machine, now_ms = self._machines[id_], self._now()
        machine.turn(now_ms, "going", now_ms + 5_000, "gone")

    def orphan(self, farm: str, incarnation: str) -> None:
        """A machine with the farm's own tags that no book knows."""
        self._appear(
            {TAG_FARM: farm, TAG_INCARNATION: incarnation, TAG_MACHINE: f"lost-{len(self._machines)}"}
        )

    def stranger(self) -> None:
        """A machine of another farm in the same account."""
        self._strangers += 1
        self._appear({TAG_FARM: STRANGER, TAG_INCARNATION: "1", TAG_MACHINE: f"theirs-{self._strangers}"})
        list(self._machines.values())[-1].turn(self._now(), "up", NEVER_MS, None)

    def theirs(self) -> set[str]:
        """Machines of other farms."""
        return {one.id for one in self._machines.values() if one.order.tags.get(TAG_FARM) == STRANGER}

    def tidy(self) -> None:
        """People give back what carries the farm's tags and is in no book."""
        known = {row.provider_id for row in self._all() if row.power != Power.GONE}
        for name, state in self.states().items():
            if name not in known | self.theirs() and state not in ("going", "gone"):
                super().delete(name)

    def missed(self, id_: str) -> bool:
        """Whether the last complete listings, over a minute and more, were without this machine."""
        times: list[int] = []
        for at_ms, there in reversed(self._lists):
            if id_ in there:
                break
            insort(times, at_ms)
        return len(times) >= 2 and times[-1] - times[0] >= APART_MS

    def _appear(self, tags: dict[str, str]) -> None:
        number = len(self._machines)
        order = Order(
            offer=self._pool.name,
            token=f"odd {number}",
            tags=tags,
            secret=f"none {number}",
            name=f"odd-{number}",
        )
        self._create(order)

    def _befalls(self, what: str, share: float) -> bool:
        if not share:
            return False
        return Random(f"{self._seed} {self._pool.name} {what} {self._now()}").random() < share

    # The books

    def _intended(self, order: Order) -> None:
        """I6: the row is there before its provider is called."""
        machine_id = order.tags.get(TAG_MACHINE, "")
        row = self._court.look(lambda tx: tx.get(Machine, machine_id))
        if not isinstance(row, Machine) or row.client_token != order.token:
            self._court.breach("I6", machine_id, "is ordered and stands in no book")

    def _idle(self, id_: str, what: str) -> None:
        """I14: nothing runs, or is offered, where power changes."""
        for row in self._rows(id_):
            live = self._court.look(lambda tx, name=row.id: tx.find(Attempt, "machine", name, True))  # type: ignore[misc]
            if live:
                self._court.breach("I14", row.id, f"is {what} under live attempts")

    def _wanted_gone(self) -> set[str]:
        return {row.provider_id for row in self._all() if row.power == Power.DELETING}

    def _strange(self, id_: str) -> None:
        """I6: what is in no book is deleted when two complete listings a minute apart have shown it, and it is ours."""
        if id_ in self.theirs():
            self._court.breach("I6", id_, "belongs to another farm and is deleted")
        if self._rows(id_):
            self._court.breach("I6", id_, "is deleted though the books want it")
        times = [at_ms for at_ms, there in self._lists if id_ in there]
        if len(times) < 2 or times[-1] - times[0] < APART_MS:
            self._court.breach("I6", id_, f"is deleted after {len(times)} complete listings")

    def _rows(self, id_: str) -> Sequence[Machine]:
        return [row for row in self._all() if row.provider_id == id_ and row.power != Power.GONE]

    def _all(self) -> Sequence[Machine]:
        return self._court.look(lambda tx: tx.find(Machine, "pool", self._pool.name))
