"""Full mode: the hub's own services over a store in memory, under a virtual clock, with agents and providers that are
simulated. The same workload as the quick engine's, through everything that a farm does.

Jobs come as builds of one job each; what a job needs is waited for outside. A call takes no time. Within one instant ends
come first, then machines, then faults, then arrivals; then the services pass until nothing is woken any more.
"""

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec

from penstock.hub import intake, planner, sessions
from penstock.hub.context import Hub
from penstock.hub.loop import Services
from penstock.hub.provisioner import Provisioner
from penstock.hub.queue import Work
from penstock.hub.timekeeper import STEP_MS, Timekeeper
from penstock.model.change import Change
from penstock.model.farm import Farm
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Pool, Rules
from penstock.model.units import NEVER_MS, Size
from penstock.policy.capacity.setting import Choice, is_owned, machines_of, unswitched
from penstock.ports import BlobStore, Entropy
from penstock.providers.simulated import Simulated, Weather
from penstock.sim.agents import Agent, passed
from penstock.sim.surroundings import NoBlobs, Seeded, VirtualClock, Woken
from penstock.store.memory import MemoryStore

ENDS, MACHINES, FAULTS, ARRIVALS = range(4)
"""The order of what happens in one instant."""
ROUNDS_MAX = 200
"""Passes of the services in one instant: more would never end."""
POLL_MS = 60_000
DAYS_MS = 30 * 86_400_000
"""A world in which nothing ends for so long is stuck."""


class Stuck(Exception):
    """Jobs are left and nothing will ever happen."""


class World:
    """One farm. `weather`: what goes wrong at its providers; `every_ms`: how often they are listed, 0 = in every pass;
    `books`: whether its ledger is kept."""

    def __init__(
        self,
        rules: Rules,
        choice: Choice,
        seed: int,
        begin_ms: int,
        weather: Weather,
        every_ms: int = 10_000,
        books: bool = False,
    ) -> None:
        rules = unswitched(rules)
        self.rules, self._choice, self._every_ms, self._books = rules, choice, every_ms, books
        self.clock = self._clock(begin_ms)
        self.woken = Woken()
        self.entropy: Entropy = Seeded(seed)
        self.providers = {
            pool.name: self._provider(pool, seed, weather) for pool in rules.pools if not is_owned(pool)
        }
        self.store = self._store()
        self.hub = Hub(
            self.store,
            self._blobs(),
            self.clock,
            self.entropy,
            rules,
            self.woken,
            providers=self.providers,
        )
        self.agents: dict[str, Agent] = {}
        self._named: dict[str, Agent] = {}
        self._slept: dict[str, Agent] = {}
        self._heap: list[tuple[int, int, int, Callable[[], object]]] = []
        self._count = 0
        self._away_ms = 0
        self.lasts_ms: dict[str, int] = {}
        self.told: Callable[[str, str, Agent, int], None] = lambda kind, job, agent, n: None
        self.closed: Callable[[str], None] = lambda build: None
        self.settled: Callable[[World], None] = lambda world: None
        self.stepped: Callable[[], None] = lambda: None
        self.made: Callable[[Provisioner], None] = lambda provisioner: None
        self._pools = {pool.name: pool for pool in rules.pools}
        self._born()
        self.services = self._services()

    # What other worlds may have otherwise

    def _clock(self, begin_ms: int) -> VirtualClock:
        return VirtualClock(begin_ms)

    def _provider(self, pool: Pool, seed: int, weather: Weather) -> Simulated:
        return Simulated(pool, self.clock.wall_ms, seed, weather)

    def _store(self) -> MemoryStore:
        return MemoryStore()

    def _blobs(self) -> BlobStore:
        return NoBlobs()

    def _timekeeper(self, led: Hub) -> Timekeeper:
        return Timekeeper(led, self.clock.now_ms)

    def _agent(self, name: str, pool: Pool, secret: str) -> Agent:
        return Agent(self, name, pool.name, secret, about(pool))

    # The hub

    def _born(self) -> None:
        """A farm whose time is the world's."""
        farm = intake.make_farm(self.hub)
        self.store.write(lambda tx: tx.replace(_at(farm, self.clock.now_ms)))

    def _services(self) -> Services:
        farm = intake.open_farm(self.hub, "simulated")
        led = replace(self.hub, epoch=farm.leader_epoch)

        def provisioner(hub: Hub) -> Provisioner:
            made = Provisioner(hub, choice=self._choice, every_ms=self._every_ms)
            self.made(made)
            return made

        timekeeper = self._timekeeper(led)
        return Services(led, farm, timekeeper, provisioner=provisioner, moment_ms=0, books=self._books)

    def restart(self) -> None:
        """Another process leads from now on; it knows what the store knows."""
        self.services = self._services()

    def away(self, until_ms: int) -> None:
        """Nobody leads and nobody answers until then."""
        self._away_ms = max(self._away_ms, until_ms)
        self.at(until_ms, FAULTS, self.restart)

    # Time

    def at(self, at_ms: int, order: int, act: Callable[[], object]) -> None:
        """Let this happen then."""
        self._count += 1
        heapq.heappush(self._heap, (at_ms, order, self._count, act))

    def run(self, goes_on: Callable[[], bool]) -> None:
        """From one instant to the next, for as long as `goes_on` says so. Raises Stuck."""
        began_ms = self.clock.now_ms
        self._settle()
        while goes_on():
            next_ms = self._next_ms()
            if next_ms >= NEVER_MS or self.clock.now_ms - began_ms > DAYS_MS:
                raise Stuck(f"nothing happens any more at {self.clock.now_ms}")
            self._advance(next_ms)
            self._happen(ENDS)
            self._machines()
            self._happen(ARRIVALS)
            self._settle()

    def _next_ms(self) -> int:
        """The next moment at which anything can happen; not while the hub is away."""
        moments = [provider.next_ms() for provider in self.providers.values()]
        moments += [self._heap[0][0]] if self._heap else []
        wake_ms = self.services.wake_ms()
        if wake_ms is not None and self.clock.now_ms >= self._away_ms:
            moments.append(max(wake_ms, self.clock.now_ms + 1))
        return min(moments, default=NEVER_MS)

    def _advance(self, next_ms: int) -> None:
        """Time passes; farm time does in steps that it allows, unless nobody leads."""
        while self.clock.now_ms < next_ms:
            self.clock.now_ms = min(next_ms, self.clock.now_ms + STEP_MS)
            if self.clock.now_ms >= self._away_ms:
                self.services.keep_time(self.clock.now_ms)

    def _happen(self, last: int) -> None:
        """Everything of this instant up to this order."""
        while self._heap and self._heap[0][0] <= self.clock.now_ms and self._heap[0][1] <= last:
            heapq.heappop(self._heap)[3]()
            self.stepped()

    def _settle(self) -> None:
        """The services pass, and agents call, until nobody is woken any more."""
        if self.clock.now_ms < self._away_ms:
            return
        for _ in range(ROUNDS_MAX):
            self._listen()
            self.services.run_once(self.clock.now_ms)
            self.stepped()
            self._machines()
            if not self._listen():
                self.settled(self)
                return
        raise Stuck(f"the services find no end at {self.clock.now_ms}")

    def _listen(self) -> bool:
        """Agents that were woken call. Whether anybody was."""
        topics = [topic.partition(":") for topic in self.woken.take()]
        for kind, _, name in topics:
            agent = self._named.get(name)
            if kind == "machine" and agent is not None:
                agent.poll()
            elif kind == "build":
                self.closed(name)
        return any(kind in ("machine", "farm") for kind, _, _ in topics)

    # Machines

    def _machines(self) -> None:
        """Agents are where machines are up, and nowhere else."""
        for pool, provider in self.providers.items():
            up = provider.up()
            for name in [name for name, one in self.agents.items() if one.pool == pool and name not in up]:
                self._named.pop(self.agents.pop(name).machine, None)
            for name, order in up.items():
                if name not in self.agents:
                    known = self._slept.get(name)
                    agent = known or self._agent(name, self._pools[pool], order.secret)
                    self._slept[name] = agent
                    self._begin(agent)

    def own(self) -> None:
        """The owned machines register."""
        for pool in self.rules.pools:
            for number in range(machines_of(pool) if is_owned(pool) else 0):
                secret = sessions.create_token(self.hub, pool.name)
                self._begin(self._agent(f"{pool.name}-{number + 1:03d}", pool, secret))

    def _begin(self, agent: Agent) -> None:
        """It is there, and says so as soon as the hub can hear it."""
        self.agents[agent.name] = agent
        self.reach(lambda: self._register(agent))

    def _register(self, agent: Agent) -> None:
        if agent.register():
            self._named[agent.machine] = agent

    def reach(self, act: Callable[[], object]) -> None:
        """Call the hub now, or when it is there again."""
        if self.clock.now_ms < self._away_ms:
            self.at(self._away_ms, MACHINES, act)
        else:
            act()

    def every(self, span_ms: int) -> None:
        """All agents poll so often, whatever happens."""
        self.at(self.clock.now_ms + span_ms, ARRIVALS, partial(self._poll_all, span_ms))

    def _poll_all(self, span_ms: int) -> None:
        if self.clock.now_ms >= self._away_ms:
            for agent in list(self.agents.values()):
                agent.poll()
        self.every(span_ms)

    # What agents are told

    def started(self, agent: Agent, work: Work) -> None:
        """As sim.agents.Surroundings: it lasts as long as it lasts, on a new disk longer."""
        pool = self._pools[agent.pool]
        cold_ms = pool.cold_cache_ms if agent.starts == 0 and not is_owned(pool) else 0
        lasts_ms = cold_ms + self.lasts(self.lasts_ms[work.job.build], agent.pool)
        self.told("start", work.job.build, agent, work.attempt.n)
        self.at(self.clock.now_ms + lasts_ms, ENDS, partial(self._end, agent, work.attempt.id, lasts_ms))

    def lasts(self, row_ms: int, pool: str) -> int:
        """How long a job of that length lasts on this pool's machines; rounded up, as in the quick engine."""
        ppm = round(self._pools[pool].speed * 1_000_000)
        return -(-row_ms * 1_000_000 // ppm)

    def _end(self, agent: Agent, attempt: str, lasts_ms: int) -> None:
        if self.agents.get(agent.name) is agent:
            agent.end(attempt, passed(lasts_ms))
            self.woken.wake(f"machine:{agent.machine}")

    def ended(self, agent: Agent, work: Work) -> None:
        """As sim.agents.Surroundings."""
        self.told("end", work.job.build, agent, work.attempt.n)

    # Jobs

    def submit(self, change: Change, job: PlannedJob, lasts_ms: int) -> str:
        """A build of one job that lasts so long at speed 1. Returns the build's id."""
        build = planner.submit(self.hub, change, Plan((job,)), project=change.project)
        self.lasts_ms[build.id] = lasts_ms
        return build.id


def _at(farm: Farm, now_ms: int) -> Farm:
    return msgspec.structs.replace(farm, time_ms=now_ms)


def about(pool: Pool) -> dict[str, int]:
    """What an agent of this pool says of its machine."""
    size = pool.size or Size(pool.slots, None)
    return {"slots": pool.slots, "cores": size.cores, "memory_mb": size.memory_mb or 0}
