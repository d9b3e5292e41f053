"""One day of one seed's farm, from its first change to the last machine given back."""

import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from penstock.hub import people, planner, queue
from penstock.hub.context import Hub, NotLeading, Refused, Unauthorized
from penstock.hub.loop import Services
from penstock.hub.queue import Ending, Work
from penstock.hub.steps import Step, lead
from penstock.hub.timekeeper import STEP_MS, Timekeeper
from penstock.model.change import Change
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.plan import Plan
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.model.units import DAY_MS, MS_PER_HOUR, NEVER_MS
from penstock.policy.capacity.setting import Choice
from penstock.ports import BlobStore, Tx
from penstock.providers.simulated import Simulated, Weather
from penstock.sim.agents import Agent
from penstock.sim.hubworld import ARRIVALS, ENDS, FAULTS, World, about
from penstock.sim.storm import collector, farm, faults
from penstock.sim.storm.agents import Restless
from penstock.sim.storm.bucket import Bucket
from penstock.sim.storm.evening import ASLEEP, left_over
from penstock.sim.storm.law import Law
from penstock.sim.storm.makers import Maker
from penstock.sim.storm.provider import Stormy, Trouble
from penstock.sim.storm.shelf import Shelf
from penstock.sim.storm.witness import Watched, Witness
from penstock.sim.surroundings import VirtualClock
from penstock.store.memory import MemoryStore
from penstock.store.objectblobs import ObjectBlobs

T = TypeVar("T")
BEGIN_MS = 1_700_000_000_000
POLL_MS = 600_000
"""Agents call at least so often."""
LAST_LOOKS = 6
"""So often a day goes on for POLL_MS more, while a machine is on its way."""
PACES_MS = (45_000, 120_000, 300_000)
IDLE_PACE_MS = 1_200_000
"""How soon the services look again though nothing happened, while there is something to do and while there is not."""
MEANWHILE = 0.01
"""How often an agent calls between two transactions of the services."""
TRACED = 60
AGAIN = 0.1
"""How often a finish arrives twice."""
COLLECT_MS = 2 * POLL_MS
COLLECTS = 0.3
"""How soon it is looked again for what nobody reads; how often of the times when somebody is quicker it is that."""


class Jumpy(VirtualClock):
    """A wall clock that people set, beside a time that goes on."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self._off_ms = 0

    def wall_ms(self) -> int:
        """As ports.Clock."""
        return self.now_ms + self._off_ms

    def jump(self, by_ms: int) -> None:
        """Somebody sets it."""
        self._off_ms += by_ms


class Patient(Timekeeper):
    """A timekeeper that need not write each step down while nobody could look."""

    def pass_over(self, steps: int) -> None:
        """So many whole steps at once."""
        lead(self._hub, partial(_later, span_ms=steps * STEP_MS), frozen_too=True)
        self._last_ms = (self._last_ms or 0) + steps * STEP_MS


class Day(World):
    """One seed's day. `wrong` is everything that was not as it must be; `without`: numbers of faults that do not happen."""

    def __init__(self, seed: int, without: frozenset[int] = frozenset()) -> None:
        self.seed, self.drawn, self._without = seed, farm.draw(seed), without
        self.faults = 0
        self.trace: deque[str] = deque(maxlen=TRACED)
        self._chance = Random(f"day {seed}")
        self.pace_ms = self._chance.choice(PACES_MS)
        self.stormy: dict[str, Stormy] = {}
        self.clock: Jumpy
        self.store: Watched
        self.bucket: Bucket
        weather = faults.usual(Random(f"weather {seed}"))
        books = self._chance.random() < 0.5
        super().__init__(self.drawn.rules, Choice(), seed, BEGIN_MS, weather, self.pace_ms, books)
        self.witness = Witness(self.store)
        self.law = Law(self.rules, self.store, self.witness, self.stormy)
        self.shelf = Shelf(self.store, self.bucket, self.witness)
        self._old: list[Services] = []
        self._lasts: dict[tuple[str, str], int] = {}
        self.calm = False
        self.stepped = self._check
        self.settled = lambda world: self.law.settled(self.services.provisioner.sight)
        self.store.meanwhile = self._meanwhile

    @property
    def wrong(self) -> list[str]:
        """Every breach until now."""
        return self.witness.wrong

    def go(self) -> None:
        """The day, to the first breach or to its end."""
        self.own()
        self.every(POLL_MS)
        for number, asked in enumerate(self.drawn.asked):
            self.at(
                BEGIN_MS + asked.at_ms, ARRIVALS, partial(self.reach, partial(self._submit, asked, number))
            )
        self.faults = faults.plan(self, self.seed, self._without)
        for hour in range(1, 24):
            self.at(BEGIN_MS + hour * MS_PER_HOUR, ARRIVALS, self.whole)
        for number in range(1, DAY_MS // COLLECT_MS):
            self.at(BEGIN_MS + number * COLLECT_MS, FAULTS, self._collect)
        self._until(BEGIN_MS + faults.STORM_MS)
        self.clear_up()
        for hour in range(7, 24):
            self.at(BEGIN_MS + hour * MS_PER_HOUR, ARRIVALS, self.visit)
        self._until(BEGIN_MS + DAY_MS)
        self._rest()
        if not self.wrong:
            self.whole()
            for breach in left_over(self.rules, self.store, self.stormy):
                self.breach(*breach)

    def _rest(self) -> None:
        """What was begun in the last moment of the day comes to its end, if it has one."""
        for _ in range(LAST_LOOKS):
            if not self.store.read(_on_its_way):
                return
            self._until(self.clock.now_ms + POLL_MS)

    def _until(self, end_ms: int) -> None:
        self.at(end_ms, ARRIVALS, lambda: None)
        self.run(lambda: self.clock.now_ms < end_ms and not self.wrong)

    def clear_up(self) -> None:
        """Nothing goes wrong any more, and who was cut off can be heard, but for a rented machine that died."""
        self.calm = True
        self.bucket.fails = 0.0
        for provider in self.stormy.values():
            provider.weather, provider.trouble = Weather(), Trouble()
        for agent in self._slept.values():
            agent.calm = True  # type: ignore[attr-defined]
            agent.deaf = agent.deaf and agent.pool in self.stormy

    def visit(self) -> None:
        """Somebody comes by: what people were asked about is done."""
        for machine in self.store.read(lambda tx: tx.find(Machine, "key")):
            people.unquarantine(self.hub, machine.id)
            if machine.power == Power.DRAINING:
                people.undrain(self.hub, machine.id)
        for alert in self.store.read(lambda tx: tx.find(Event, "kind", "farm")):
            for name, provider in self.stormy.items():
                if f"of {name} are in no book" in alert.reason:
                    provider.tidy()

    # What is otherwise than in a world

    def _clock(self, begin_ms: int) -> Jumpy:
        return Jumpy(begin_ms)

    def _store(self) -> MemoryStore:
        return Watched()

    def _blobs(self) -> BlobStore:
        self.bucket = Bucket(self.seed, lambda: self.clock.now_ms, self)
        self.bucket.fails = self.fails = faults.fails(Random(f"bucket {self.seed}"))
        return ObjectBlobs(self.bucket)

    def _provider(self, pool: Pool, seed: int, weather: Weather) -> Simulated:
        made = Stormy(pool, lambda: self.clock.now_ms, seed, weather, self)
        self.stormy[pool.name] = made
        return made

    def _agent(self, name: str, pool: Pool, secret: str) -> Agent:
        chance = Random(f"agent {self.seed} {name}")
        agent = Restless(self, name, pool.name, secret, about(pool), chance)
        agent.calm = self.calm
        agent.mute = not self.calm and pool.name in self.stormy and chance.random() < 0.05
        return agent

    def _timekeeper(self, led: Hub) -> Patient:
        self._patient = Patient(led, self.clock.now_ms)
        return self._patient

    def _advance(self, next_ms: int) -> None:
        """As World; of many steps all but the last are one."""
        steps = (next_ms - self.clock.now_ms) // STEP_MS - 1
        if steps > 1 and self.clock.now_ms >= self._away_ms and self._patient.last_ms == self.clock.now_ms:
            self.clock.now_ms += steps * STEP_MS
            self._patient.pass_over(steps)
        super()._advance(next_ms)

    def _next_ms(self) -> int:
        """Services that wait for a moment look again at their own pace, so that a day is not millions of moments."""
        moments = [provider.next_ms() for provider in self.providers.values()]
        moments += [self._heap[0][0]] if self._heap else []
        wake_ms = self.services.wake_ms()
        if wake_ms is not None and self.clock.now_ms >= self._away_ms:
            moments.append(max(wake_ms, self.clock.now_ms + (self.pace_ms if self._busy() else IDLE_PACE_MS)))
        return min(moments, default=NEVER_MS)

    def _busy(self) -> bool:
        """Whether any job is open, or anything is rented and not asleep."""
        if self.store.read(lambda tx: tx.find(Job, "open", True, limit=1)):
            return True
        return any(
            state not in ("stopped", "gone")
            for one in self.stormy.values()
            for name, state in one.states().items()
            if name not in one.theirs()
        )

    def started(self, agent: Agent, work: Work) -> None:
        """As World: it lasts and ends as drawn for this try at this job."""
        chance = Random(f"end {self.seed} {work.job.build} {work.job.name} {work.attempt.n}")
        row_ms = min(self._lasts[work.job.build, work.job.name], work.job.spec.timeout_ms)
        if row_ms == work.job.spec.timeout_ms and chance.random() < 0.5:
            return  # it hangs, and its agent with it
        lasts_ms = self.lasts(row_ms, agent.pool)
        assert isinstance(agent, Restless)
        maker = Maker(self, agent, work, chance, partial(self._over, agent, work))
        ending = maker.ending(lasts_ms)
        self.at(self.clock.now_ms + lasts_ms, ENDS, partial(maker.go, ending))

    def _over(self, agent: Agent, work: Work, ending: Ending) -> None:
        agent.end(work.attempt.id, ending)
        self.woken.wake(f"machine:{agent.machine}")

    def ended(self, agent: Agent, work: Work) -> None:
        """As World: some ends are told again, in the same words and in others."""
        if not self.calm and self._chance.random() < AGAIN:
            self.at(self.clock.now_ms + 1000, ENDS, partial(self.reach, partial(self._again, agent, work)))

    # Jobs

    def _submit(self, asked: farm.Asked, number: int) -> None:
        change = Change(
            id=f"change {number}",
            source=f"source {number % 7}",
            klass=asked.klass,
            project=asked.project,
            trust=asked.jobs[0].spec.trust if asked.jobs[0].spec else "untrusted",
            queue_limit_ms=asked.queue_limit_ms,
        )
        build = planner.submit(
            self.hub, change, Plan(asked.jobs), supersede=number % 3 == 0, project=asked.project
        )
        for job, lasts_ms in zip(asked.jobs, asked.lasts_ms, strict=True):
            self._lasts[build.id, job.id] = lasts_ms

    # What befalls it

    def restless(self) -> list[Restless]:
        """As faults.Suffering."""
        there = [one for one in self.agents.values() if isinstance(one, Restless)]
        return sorted(there, key=lambda one: one.name)

    def restart(self) -> None:
        """As World; the one that led before is kept."""
        self.note("another process leads")
        self._old = [*self._old[-2:], self.services]
        super().restart()

    def stall(self, until_ms: int) -> None:
        """As faults.Suffering."""
        self._away_ms = max(self._away_ms, until_ms)
        self.at(until_ms, ENDS, lambda: None)

    def old_leader(self) -> None:
        """I2: who led before changes nothing."""
        for old in self._old:
            try:
                old.run_once(self.clock.now_ms)
            except NotLeading:
                continue
            self.breach("I2", "farm", "one that led before made a pass")

    def lie(self, chance: Random) -> None:
        """I2: an agent names rights that are not its own, or never were."""
        agents = [agent for agent in self.restless() if agent.session is not None]
        live = self.store.read(lambda tx: tx.find(Attempt, "live", True))
        for attempt in live if agents else ():
            agent = chance.choice(agents)
            fence = attempt.fence
            if attempt.machine == agent.machine:
                fence = f"{fence.partition(':')[0]}:{chance.randint(0, 99) + 100}"
            self._refused(agent, attempt, fence, "lie")

    def _refused(self, agent: Restless, attempt: Attempt, fence: str, body: str) -> None:
        assert agent.session is not None
        ending = Ending(result="failed", cause="a lie")
        try:
            queue.finish(self.hub, agent.session, attempt.id, fence, body, ending)
        except (Refused, Unauthorized):
            return
        self.breach("I2", attempt.id, f"{agent.name} ended it with fence {fence}")

    def _again(self, agent: Agent, work: Work) -> None:
        """A finish that was taken is answered alike when it comes again, and refused in other words."""
        assert isinstance(agent, Restless)
        session, attempt = agent.session, work.attempt
        if session is None or agent.mute or agent.deaf:
            return
        ending = Ending(result="passed")
        try:
            queue.finish(self.hub, session, attempt.id, attempt.fence, "over", ending)
        except Unauthorized:
            return
        except Refused as problem:
            self.breach("I2", attempt.id, f"its finish was taken, and is refused when repeated: {problem}")
        self._refused(agent, attempt, attempt.fence, "other words")

    def _meanwhile(self) -> None:
        """Between two transactions of the services somebody else is quicker, now and then."""
        if not self.calm and self._chance.random() < MEANWHILE and self.clock.now_ms >= self._away_ms:
            if self._chance.random() < COLLECTS:
                self._collect()
                return
            there = self.restless()
            if there:
                self._chance.choice(there).poll()

    def _collect(self) -> None:
        """What nobody reads any more goes, unless nobody leads."""
        if self.clock.now_ms >= self._away_ms:
            with suppress(NotLeading):
                collector.run_once(self.services.hub, self.drawn.keep_ms)

    # Checks

    def whole(self) -> None:
        """Hold all there is against every invariant."""
        self.witness.whole()
        self.shelf.whole()
        if self.calm and self.clock.now_ms >= BEGIN_MS + faults.STORM_MS + MS_PER_HOUR:
            self.shelf.pruned(self.clock.wall_ms())

    def breach(self, invariant: str, subject: str, text: str) -> None:
        """As provider.Court."""
        self.witness.say(invariant, subject, text)

    def note(self, text: str) -> None:
        """As provider.Court: the last of them are kept."""
        self.trace.append(f"{(self.clock.now_ms - BEGIN_MS) / 1000:>9.1f} s  {text}")

    def look(self, operation: Callable[[Tx], T]) -> T:
        """As provider.Court."""
        return self.store.read(operation)

    def _check(self) -> None:
        rows = self.witness.after_step()
        leads = self.clock.now_ms >= self._away_ms
        self.law.hold(rows, self.clock.now_ms, leads)
        self.shelf.hold(rows)


def _on_its_way(tx: Tx) -> bool:
    """Whether a machine is neither up nor asleep nor gone."""
    return any(one.power not in (Power.UP, *ASLEEP) for one in tx.find(Machine, "key"))


def _later(step: Step, span_ms: int) -> None:
    step.put(msgspec.structs.replace(step.farm, time_ms=step.farm.time_ms + span_ms))


def lived(seed: int, without: frozenset[int] = frozenset()) -> Day:
    """The day of this seed; what it raised is told as a breach."""
    day = Day(seed, without)
    try:
        day.go()
    except Exception as problem:  # whatever it is, it is found
        where = traceback.extract_tb(problem.__traceback__)[-1]
        day.breach(
            "crash", f"{Path(where.filename).name}:{where.lineno}", f"{type(problem).__name__}: {problem}"
        )
    return day
