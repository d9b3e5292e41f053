"""What befalls a day: every fault of the list below, how often, and for how long, drawn from the seed."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Protocol

import msgspec

from penstock.hub import people
from penstock.hub.context import NotFound
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.states import JobState, Power
from penstock.model.units import MS_PER_HOUR
from penstock.providers.simulated import Weather
from penstock.sim.hubworld import FAULTS
from penstock.sim.storm.agents import Restless
from penstock.sim.storm.bucket import Bucket
from penstock.sim.storm.provider import Stormy, Trouble

MINUTE_MS = 60_000
STORM_MS = 5 * MS_PER_HOUR
"""Nothing new goes wrong after so many hours of the day."""
MOST, LEAST = 26, 12


class Suffering(Protocol):
    """What faults need of a day."""

    hub: Any
    clock: Any
    store: Any
    bucket: Bucket
    calm: bool
    fails: float
    stormy: dict[str, Stormy]

    def restless(self) -> list[Restless]:
        """Agents that are there, in order of their names."""
        ...

    def at(self, at_ms: int, order: int, act: Callable[[], object]) -> None:
        """Let this happen then."""
        ...

    def reach(self, act: Callable[[], object]) -> None:
        """Do it when the hub is there."""
        ...

    def note(self, text: str) -> None:
        """Something happened."""
        ...

    def restart(self) -> None:
        """Another process leads."""
        ...

    def away(self, until_ms: int) -> None:
        """Nobody leads until then; then another process does."""
        ...

    def stall(self, until_ms: int) -> None:
        """Nobody leads until then; then the same process goes on."""
        ...

    def old_leader(self) -> None:
        """One that led before wakes up."""
        ...

    def lie(self, chance: Random) -> None:
        """An agent speaks of what is not its own."""
        ...


Fault = Callable[[Suffering, Random], None]


def plan(day: Suffering, seed: int, without: frozenset[int]) -> int:
    """Let all of a day's faults happen in their time, but for those with these numbers. Returns how many there are."""
    chance = Random(f"faults {seed}")
    begin_ms = day.clock.now_ms
    count = chance.randint(LEAST, MOST)
    for number in range(count):
        kind = chance.choice(KINDS)
        at_ms = begin_ms + chance.randrange(STORM_MS)
        if number not in without:
            day.at(at_ms, FAULTS, partial(_befall, day, kind, Random(f"fault {seed} {number}")))
    return count


def _befall(day: Suffering, kind: Fault, chance: Random) -> None:
    day.note(f"fault {kind.__name__.strip('_')}")
    kind(day, chance)


def usual(chance: Random) -> Weather:
    """What goes wrong all day long."""
    return Weather(
        no_capacity=chance.choice((0.0, 0.05)),
        throttled=chance.choice((0.0, 0.05)),
        no_answer=chance.choice((0.0, 0.1, 0.3)),
        boot_failed=chance.choice((0.0, 0.1)),
        part_missing=chance.choice((0.0, 0.1, 0.4)),
        behind_ms=chance.choice((0, 7_000, 30_000)),
        notice_ms=chance.choice((0, 60_000, 120_000)),
    )


def fails(chance: Random) -> float:
    """How often an object store gives no answer all day long."""
    return chance.choice((0.0, 0.0, 0.02, 0.1))


def _later(day: Suffering, chance: Random, act: Callable[[], object]) -> None:
    day.at(day.clock.now_ms + chance.choice((3, 20, 60)) * MINUTE_MS, FAULTS, act)


def _weather(day: Suffering, chance: Random, **change: Any) -> None:
    for provider in _some(day, chance):
        before = {name: getattr(provider.weather, name) for name in change}
        provider.weather = msgspec.structs.replace(provider.weather, **change)
        _later(day, chance, partial(_clear, day, provider, before))


def _clear(day: Suffering, provider: Stormy, before: dict[str, Any]) -> None:
    """As it was before; what was before may be another fault, and it is over when the storm is."""
    if not day.calm:
        provider.weather = msgspec.structs.replace(provider.weather, **before)


def _some(day: Suffering, chance: Random) -> list[Stormy]:
    names = sorted(day.stormy)
    return [day.stormy[name] for name in names if len(names) == 1 or chance.random() < 0.6]


def _no_capacity(day: Suffering, chance: Random) -> None:
    _weather(day, chance, no_capacity=1.0)


def _quota(day: Suffering, chance: Random) -> None:
    _weather(day, chance, quota=chance.randrange(3))


def _throttled(day: Suffering, chance: Random) -> None:
    _weather(day, chance, throttled=0.8)


def _no_answer(day: Suffering, chance: Random) -> None:
    _weather(day, chance, no_answer=0.8)


def _unready(day: Suffering, chance: Random) -> None:
    _weather(day, chance, boot_failed=chance.choice((0.5, 1.0)))


def _partial_lists(day: Suffering, chance: Random) -> None:
    _weather(day, chance, part_missing=0.7)


def _late_lists(day: Suffering, chance: Random) -> None:
    _weather(day, chance, behind_ms=50_000)


def _trouble(day: Suffering, chance: Random) -> None:
    """Stopping is refused, or sticks; resuming is refused."""
    for provider in _some(day, chance):
        provider.trouble = Trouble(*(chance.choice((0.0, 0.5, 1.0)) for _ in Trouble._fields))
        _later(day, chance, partial(setattr, provider, "trouble", Trouble()))


def _reclaim(day: Suffering, chance: Random) -> None:
    for provider in _some(day, chance):
        for name in sorted(provider.up()):
            if chance.random() < 0.5 and name not in provider.theirs():
                provider.take_back(name)


def _by_somebody(day: Suffering, chance: Random) -> None:
    """Somebody else stops or deletes machines."""
    for provider in _some(day, chance):
        for name in sorted(provider.up())[: chance.randint(1, 2)]:
            if name not in provider.theirs():
                (provider.stopped_by_somebody if chance.random() < 0.5 else provider.deleted_by_somebody)(
                    name
                )


def _orphan(day: Suffering, chance: Random) -> None:
    farm = day.store.read(lambda tx: tx.get(Farm, "farm"))
    for provider in _some(day, chance)[:1]:
        provider.orphan(farm.uid, farm.incarnation)
        provider.stranger()


def _silent(day: Suffering, chance: Random) -> None:
    """Cut off: for less than a right lasts, for longer, or, where it is rented, for ever."""
    for agent in _agents(day, chance):
        agent.deaf = True
        span_ms = chance.choice((2, 10, 45, 90)) * MINUTE_MS
        if agent.pool not in day.stormy or chance.random() < 0.7:
            day.at(day.clock.now_ms + span_ms, FAULTS, partial(setattr, agent, "deaf", False))


def _killed(day: Suffering, chance: Random) -> None:
    for agent in _agents(day, chance):
        day.reach(agent.die)


def _mute(day: Suffering, chance: Random) -> None:
    """Those that come up do not say a word for a while."""
    for agent in _agents(day, chance):
        if agent.pool in day.stormy:
            agent.mute = True


def _agents(day: Suffering, chance: Random) -> list[Restless]:
    there = day.restless()
    return chance.sample(there, min(len(there), chance.randint(1, 3)))


def _restart(day: Suffering, chance: Random) -> None:
    day.reach(day.restart)


def _away(day: Suffering, chance: Random) -> None:
    day.away(day.clock.now_ms + chance.choice((10_000, 240_000, 40 * MINUTE_MS)))


def _stall(day: Suffering, chance: Random) -> None:
    day.stall(day.clock.now_ms + chance.choice((10_000, 240_000, 40 * MINUTE_MS)))


def _old_leader(day: Suffering, chance: Random) -> None:
    day.reach(day.restart)
    _later(day, chance, partial(day.reach, day.old_leader))


def _clock_jumps(day: Suffering, chance: Random) -> None:
    day.clock.jump(chance.choice((-MS_PER_HOUR, -1_000, 30_000, 26 * MS_PER_HOUR)))


def _no_bucket(day: Suffering, chance: Random) -> None:
    """The object store answers seldom, or not at all."""
    day.bucket.fails = chance.choice((0.3, 0.6, 1.0))
    _later(day, chance, partial(_bucket_back, day))


def _bucket_back(day: Suffering) -> None:
    day.bucket.fails = 0.0 if day.calm else day.fails


def _lie(day: Suffering, chance: Random) -> None:
    day.reach(partial(day.lie, chance))


def _people(day: Suffering, chance: Random) -> None:
    """Somebody cancels a build, holds a job and lets it go again, or drains a machine for a while."""
    day.reach(partial(chance.choice((_cancel, _hold, _drain)), day, chance))


def _cancel(day: Suffering, chance: Random) -> None:
    builds = day.store.read(lambda tx: tx.find(Build, "open", True))
    if builds:
        people.cancel(day.hub, chance.choice(builds).id)


def _hold(day: Suffering, chance: Random) -> None:
    jobs = day.store.read(lambda tx: tx.find(Job, "open", True))
    if jobs:
        job = chance.choice(
            [one for one in jobs if one.state not in (JobState.RUNNING, JobState.HELD)] or [None]
        )
        if job is not None and people.hold(day.hub, job.id, "to be looked at"):
            _later(day, chance, partial(day.reach, partial(_released, day, job.id)))


def _released(day: Suffering, job: str) -> None:
    known = day.store.read(lambda tx: tx.get(Job, job))
    if known is not None and known.state == JobState.HELD:
        people.release(day.hub, job)


def _drain(day: Suffering, chance: Random) -> None:
    machines = day.store.read(lambda tx: tx.find(Machine, "power", Power.UP))
    if machines:
        name = chance.choice(machines).id
        people.drain(day.hub, name)
        _later(day, chance, partial(day.reach, partial(_undrained, day, name)))


def _undrained(day: Suffering, machine: str) -> None:
    try:
        people.undrain(day.hub, machine)
    except NotFound:
        return


KINDS: tuple[Fault, ...] = (
    _no_capacity,
    _quota,
    _throttled,
    _no_answer,
    _unready,
    _partial_lists,
    _late_lists,
    _trouble,
    _reclaim,
    _by_somebody,
    _orphan,
    _silent,
    _killed,
    _mute,
    _restart,
    _away,
    _stall,
    _old_leader,
    _clock_jumps,
    _no_bucket,
    _lie,
    _people,
)
"""Every fault of a day; the docs say which symptom each is."""
