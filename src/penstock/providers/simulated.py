"""Provider "simulated": machines that are only numbers, under any clock, with the faults of real ones by seeded chance.

A machine's fate is drawn from the seed and its number, never from the order of calls, so that equal orders meet an equal
fate; whether a call fails is drawn from the seed and the number of calls before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from statistics import NormalDist

import msgspec

from penstock.model.rented import Instance, InstanceState, Listing, Notice, Offer, Order
from penstock.model.rules import Pool, Quantiles
from penstock.model.units import MS_PER_HOUR, NEVER_MS
from penstock.ports import NoAnswer, NoCapacity, QuotaReached, Throttled, UnknownMachine

KEPT_MS = 3_600_000
"""What is gone is listed for so long."""
_AT_95 = NormalDist().inv_cdf(0.95)
_THERE: tuple[InstanceState, ...] = ("coming", "up")
_STOPPED: tuple[InstanceState, ...] = ("stopping", "stopped")
_GOING: tuple[InstanceState, ...] = ("going", "gone")


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """How often what goes wrong; all are chances from 0 to 1, but for the times.

    `no_capacity`, `throttled`, `no_answer` (half of those calls are carried out): of a call. `boot_failed`: a machine never
    comes up. `part_missing`: a listing without some. `behind_ms`: listings tell what was so long ago. `notice_ms`: how
    long before a reclaim it is told; 0 = never. `quota`: it gives no more machines than so many, None = as its pool says.
    """

    no_capacity: float = 0.0
    throttled: float = 0.0
    no_answer: float = 0.0
    boot_failed: float = 0.0
    part_missing: float = 0.0
    behind_ms: int = 0
    notice_ms: int = 120_000
    quota: int | None = None


@dataclass
class _Machine:
    """One machine: what becomes of it, as moments; the last of `changes` that has come is its state."""

    id: str
    order: Order
    chance: Random
    reclaimed_ms: int = NEVER_MS
    changes: list[tuple[int, InstanceState]] = field(default_factory=list)

    def state(self, now_ms: int) -> InstanceState | None:
        """Its state at that moment, None before it was made."""
        come = [state for at_ms, state in self.changes if at_ms <= now_ms]
        return come[-1] if come else None

    def turn(self, now_ms: int, first: InstanceState, then_ms: int, then: InstanceState | None) -> None:
        """From now on `first`, from `then_ms` on `then`: what was to come before does not any more."""
        self.reclaimed_ms = NEVER_MS
        self.changes = [change for change in self.changes if change[0] <= now_ms]
        self.changes.append((now_ms, first))
        if then is not None:
            self.changes.append((then_ms, then))


class Simulated:
    """One pool's machines. `now`: what time it is, in milliseconds."""

    def __init__(
        self, pool: Pool, now: Callable[[], int], seed: int = 0, weather: Weather | None = None
    ) -> None:
        self._pool, self._now, self._seed = pool, now, seed
        self.weather = weather or Weather()
        self._machines: dict[str, _Machine] = {}
        self._tokens: dict[str, str] = {}
        self._calls = 0

    def offers(self) -> tuple[Offer, ...]:
        """As ports.Provider: one, named like the pool."""
        pool = self._pool
        most = self._most()
        left = None if most is None else max(0, most - self._count())
        return (
            Offer(
                name=pool.name,
                price_per_hour_micros=pool.price_per_hour_micros,
                stopped_price_per_hour_micros=pool.stopped_price_per_hour_micros,
                boot=pool.boot,
                resume=pool.resume,
                quota_left=left,
                reclaimed=pool.reclaim_per_hour > 0,
            ),
        )

    def create(self, order: Order) -> str:
        """As ports.Provider."""
        if order.token in self._tokens:
            self._answer(lambda: None)
            return self._tokens[order.token]
        most = self._most()
        if most is not None and self._count() >= most:
            raise QuotaReached(f"{self._pool.name}: no more than {most} machines")
        self._answer(lambda: self._create(order), self.weather.no_capacity)
        return self._tokens[order.token]

    def resume(self, id_: str) -> None:
        """As ports.Provider."""
        machine = self._find(id_)
        if machine.state(self._now()) not in _THERE:
            self._answer(
                lambda: self._wake(machine, self._pool.resume or Quantiles()), self.weather.no_capacity
            )

    def suspend(self, id_: str) -> None:
        """As ports.Provider."""
        machine, now_ms = self._find(id_), self._now()
        if machine.state(now_ms) not in _STOPPED:
            self._answer(lambda: machine.turn(now_ms, "stopping", now_ms + self._pool.suspend_ms, "stopped"))

    def delete(self, id_: str) -> None:
        """As ports.Provider."""
        machine, now_ms = self._find(id_), self._now()
        if machine.state(now_ms) not in _GOING:
            self._answer(lambda: machine.turn(now_ms, "going", now_ms + self._pool.delete_ms, "gone"))

    def list(self) -> Listing:
        """As ports.Provider; as it was `behind_ms` ago."""
        self._call(0.0)
        seen_ms = self._now() - self.weather.behind_ms
        found = []
        for machine in self._machines.values():
            state = machine.state(seen_ms)
            if state is not None and not (state == "gone" and machine.changes[-1][0] + KEPT_MS < seen_ms):
                found.append(Instance(id=machine.id, state=state, tags=machine.order.tags))
        chance = self._chance("list")
        if chance.random() >= self.weather.part_missing:
            return Listing(instances=tuple(found))
        return Listing(instances=tuple(one for one in found if chance.random() < 0.5), complete=False)

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider."""
        now_ms = self._now()
        soon = [
            one
            for one in self._machines.values()
            if one.reclaimed_ms - self.weather.notice_ms <= now_ms < one.reclaimed_ms
            and one.state(now_ms) in _THERE
        ]
        return tuple(Notice(id=one.id, left_ms=one.reclaimed_ms - now_ms) for one in soon)

    def console(self, id_: str) -> str:
        """As ports.Provider: nothing is printed here."""
        self._find(id_)
        return ""

    # What a world asks that no provider could be asked

    def next_ms(self) -> int:
        """The next moment at which anything changes by itself, or is told; NEVER_MS where nothing will."""
        now_ms = self._now()
        moments = []
        for one in self._machines.values():
            moments += [at_ms for at_ms, _ in one.changes]
            moments.append(one.reclaimed_ms - self.weather.notice_ms)
        moments += [moment + self.weather.behind_ms for moment in moments]
        return min((moment for moment in moments if moment > now_ms), default=NEVER_MS)

    def history(self) -> dict[str, tuple[tuple[int, InstanceState], ...]]:
        """What became of each machine until now."""
        now_ms = self._now()
        return {
            one.id: tuple(change for change in one.changes if change[0] <= now_ms)
            for one in self._machines.values()
        }

    def take_back(self, id_: str) -> None:
        """Reclaim this machine: told now, done when the time of a notice has passed."""
        machine, now_ms = self._machines[id_], self._now()
        if machine.state(now_ms) in _THERE:
            machine.reclaimed_ms = now_ms + self.weather.notice_ms
            machine.changes = [change for change in machine.changes if change[1] != "gone"]
            machine.changes.append((machine.reclaimed_ms, "gone"))

    def up(self) -> dict[str, Order]:
        """Machines that run, with what they were ordered by."""
        now_ms = self._now()
        return {one.id: one.order for one in self._machines.values() if one.state(now_ms) == "up"}

    def states(self) -> dict[str, InstanceState]:
        """All machines that there were, as they are now."""
        now_ms = self._now()
        return {one.id: one.state(now_ms) or "coming" for one in self._machines.values()}

    def _create(self, order: Order) -> None:
        number = len(self._machines) + 1
        chance = Random(f"{self._seed} {self._pool.name} {number}")
        machine = _Machine(f"{self._pool.name}-{number:05d}", order, chance)
        self._machines[machine.id] = machine
        self._tokens[order.token] = machine.id
        if chance.random() < self.weather.boot_failed:
            machine.turn(self._now(), "coming", NEVER_MS, None)
        else:
            self._wake(machine, self._pool.boot)

    def _wake(self, machine: _Machine, takes: Quantiles) -> None:
        now_ms = self._now()
        up_ms = now_ms + drawn_ms(takes, machine.chance)
        machine.turn(now_ms, "coming", up_ms, "up")
        if self._pool.reclaim_per_hour > 0:
            lives_ms = round(machine.chance.expovariate(self._pool.reclaim_per_hour) * MS_PER_HOUR)
            machine.reclaimed_ms = up_ms + max(1, lives_ms)
            machine.changes.append((machine.reclaimed_ms, "gone"))

    def _most(self) -> int | None:
        """How many machines there may be, None = no limit."""
        limits = [most for most in (self._pool.max, self.weather.quota) if most is not None]
        return min(limits, default=None)

    def _count(self) -> int:
        """Machines that count: all but those that are gone."""
        now_ms = self._now()
        return sum(one.state(now_ms) != "gone" for one in self._machines.values())

    def _find(self, id_: str) -> _Machine:
        machine = self._machines.get(id_)
        if machine is None or machine.state(self._now() - KEPT_MS) == "gone":
            raise UnknownMachine(f"{self._pool.name} has no machine {id_}")
        return machine

    def _answer(self, act: Callable[[], None], no_capacity: float = 0.0) -> None:
        """Do it, unless chance has it otherwise."""
        chance = self._call(no_capacity)
        lost = chance.random() < self.weather.no_answer
        if not lost or chance.random() < 0.5:
            act()
        if lost:
            raise NoAnswer(f"{self._pool.name} did not answer")

    def _call(self, no_capacity: float) -> Random:
        self._calls += 1
        chance = self._chance("call")
        if chance.random() < self.weather.throttled:
            raise Throttled(f"{self._pool.name}: too many calls")
        if chance.random() < no_capacity:
            raise NoCapacity(f"{self._pool.name} has no machine left")
        return chance

    def _chance(self, what: str) -> Random:
        return Random(f"{self._seed} {self._pool.name} {what} {self._calls}")


def drawn_ms(takes: Quantiles, chance: Random) -> int:
    """How long it takes this time: lognormal through both quantiles; the number itself where they are one."""
    if takes.p95_ms <= takes.p50_ms or takes.p50_ms <= 0:
        return takes.p50_ms
    spread = (NormalDist().inv_cdf(min(max(chance.random(), 1e-9), 1 - 1e-9))) / _AT_95
    return round(takes.p50_ms * (takes.p95_ms / takes.p50_ms) ** spread)
