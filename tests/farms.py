"""A whole farm in memory for tests: clocks that stand still, chance that counts, agents that do as they are told."""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import replace

import msgspec
import obstore
from obstore.store import MemoryStore as ObjectMemory

from penstock.hub import intake, planner, poller, queue, sessions
from penstock.hub.context import Hub
from penstock.hub.loop import Services
from penstock.hub.poller import Said
from penstock.hub.queue import Ending, Work
from penstock.hub.sessions import Held, Registration
from penstock.model.change import Build, Change
from penstock.model.job import Attempt, Job, JobSpec, Output, Source, Usage
from penstock.model.machine import Machine
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.units import Size
from penstock.ports import Store
from penstock.store.memory import MemoryStore
from penstock.store.objectblobs import ObjectBlobs
from penstock.store.objects import Objects

POOL = Pool(name="own", provider="owned", platforms=("linux",), slots=2, size=Size(2, 4096))
RULES = Rules(platforms={"linux": Platform(name="linux")}, pools=(POOL,))
KEY = "ab" * 32


class FakeClock:
    """Two clocks that move when told."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000_000
        self.monotonic = 1000

    def wall_ms(self) -> int:
        return self.wall

    def monotonic_ms(self) -> int:
        return self.monotonic


class FakeEntropy:
    """Tokens that count up."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def token(self, size_bytes: int = 16) -> str:
        return f"t{next(self._count):05d}"


class MemoryBlobs(ObjectBlobs):
    """The blob store in memory, as the product has it, with ways to write and to damage in one call."""

    def __init__(self) -> None:
        self._memory = ObjectMemory()
        super().__init__(Objects(self._memory))

    def write(self, name: str, content: bytes) -> Output:
        """A whole upload."""
        upload = self.upload(name)
        upload.write(content)
        digest_, size_bytes = upload.finish()
        return Output(name.partition("/")[2], digest_, size_bytes)

    def damage(self, digest_: str, content: bytes) -> None:
        """Put something else where an object lies."""
        digits = digest_.partition(":")[2]
        obstore.put(self._memory, f"sha256/{digits[:2]}/{digits}", content)


class FakeNotifier:
    """Remembers what was woken."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def wake(self, topic: str) -> None:
        self.topics.append(topic)


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def spec(module: str, kind: str = "build", **changes: object) -> JobSpec:
    values = {
        "kind": kind,
        "module": module,
        "platform": "linux",
        "commands": (f"make {kind}",),
        "source": Source(repository="/r", digest=digest(module.encode())),
        "size": Size(1, 1024),
    }
    return JobSpec(**(values | changes))  # type: ignore[arg-type]


def planned(module: str, kind: str = "build", needs: Iterable[str] = (), **changes: object) -> PlannedJob:
    """A job of a plan; `needs` name modules (their builds) or whole ids."""
    ids = tuple(need if ":" in need else f"{need}:build" for need in needs)
    return PlannedJob(
        id=f"{module}:{kind}",
        kind=kind,  # type: ignore[arg-type]
        module=module,
        platform="linux",
        needs=ids,
        spec=spec(module, kind, **changes),
    )


def plan(*jobs: PlannedJob) -> Plan:
    return Plan(tuple(jobs))


def change(name: str, **changes: object) -> Change:
    return Change(id=name, source="repo", **changes)  # type: ignore[arg-type]


def passed(*outputs: Output, wall_ms: int = 0) -> Ending:
    return Ending(result="passed", exit_code=0, outputs=outputs, usage=Usage(wall_ms=wall_ms))


class Agent:
    """One machine's agent: registers, polls, runs what it is offered."""

    def __init__(self, farm: "TestFarm", name: str, pool: str = "own", **about: object) -> None:
        self.farm = farm
        values: dict[str, object] = {"slots": 2, "cores": 2, "memory_mb": 4096, "key": KEY} | about
        self.registration = Registration(name=name, **values)  # type: ignore[arg-type]
        token = sessions.create_token(farm.hub, pool)
        self.call = 0
        self.holding: dict[str, Work] = {}
        self.answer = sessions.register(farm.hub, token, self.registration)
        self.credential = self.answer.credential or ""

    @property
    def session(self):  # type: ignore[no-untyped-def]
        return self.answer.session

    @property
    def machine(self) -> Machine:
        return self.farm.get(Machine, self.answer.machine.id)

    def again(self, *holds: Held) -> sessions.Registered:
        """Register again with the machine's credential."""
        self.call = 0
        self.answer = sessions.register(
            self.farm.hub, self.credential, msgspec.structs.replace(self.registration, holds=holds)
        )
        return self.answer

    def poll(self, **said: object) -> poller.Heard:
        """Poll, naming all that is held; take in new offers without acknowledging them."""
        self.call += 1
        holds = tuple(Held(attempt=w.attempt.id, fence=w.attempt.fence) for w in self.holding.values())
        heard = poller.poll(self.farm.hub, self.session, Said(call=self.call, holds=holds, **said))  # type: ignore[arg-type]
        for work in heard.offers:
            self.holding[work.attempt.id] = work
        return heard

    def take(self, work: Work) -> Attempt:
        return queue.acknowledge(self.farm.hub, self.session, work.attempt.id, work.attempt.fence, "ack")

    def start(self) -> list[Work]:
        """Poll and acknowledge all offers."""
        offers = list(self.poll().offers)
        for work in offers:
            self.take(work)
        return offers

    def upload(self, work: Work, name: str, content: bytes) -> Output:
        output = self.farm.blobs.write(f"{work.attempt.id}/{name}", content)
        queue.uploaded(self.farm.hub, self.session, work.attempt.id, work.attempt.fence, output)
        return output

    def finish(self, work: Work, ending: Ending, body: str = "fin") -> Attempt:
        done = queue.finish(self.farm.hub, self.session, work.attempt.id, work.attempt.fence, body, ending)
        self.holding.pop(work.attempt.id, None)
        return done

    def run(self, work: Work, content: bytes | None = None) -> Attempt:
        """Upload what a passed job must have, and finish."""
        made = content if content is not None else f"made {work.job.key}".encode()
        names = {"build": ["tree"], "fetch": ["source"], "test": []}[work.job.spec.kind]
        names += ["worktree"] if work.job.spec.keep_worktree else []
        outputs = [self.upload(work, name, made + name.encode()) for name in names]
        return self.finish(work, passed(*outputs))

    def fail(self, work: Work, remember: bool = True) -> Attempt:
        return self.finish(work, Ending(result="failed", exit_code=2, remember=remember))


class TestFarm:
    """A hub in memory with its services."""

    __test__ = False

    def __init__(self, rules: Rules = RULES, store: Store | None = None, books: bool = False) -> None:
        self.books = books
        self.clock = FakeClock()
        self.blobs = MemoryBlobs()
        self.bell = FakeNotifier()
        self.store: Store = store or MemoryStore()
        self.hub = Hub(self.store, self.blobs, self.clock, FakeEntropy(), rules, self.bell)  # type: ignore[arg-type]
        self.restart()

    def restart(self) -> None:
        """A new process leads."""
        self.services = Services(self.hub, intake.open_farm(self.hub, "test"), books=self.books)
        self.leading = self.services.hub
        self.tick()  # farm time begins to count

    def with_rules(self, rules: Rules) -> None:
        self.hub = replace(self.hub, rules=rules)
        self.restart()

    def tick(self, passed_ms: int = 0) -> dict[str, int]:
        """Let time pass and run the services once."""
        self.clock.monotonic += passed_ms
        self.clock.wall += passed_ms
        return self.services.run_once(self.clock.monotonic)

    def pass_time(self, passed_ms: int) -> None:
        """Let farm time pass in steps that it allows."""
        while passed_ms > 0:
            self.tick(min(passed_ms, 30_000))
            passed_ms -= 30_000

    def submit(self, name: str, *jobs: PlannedJob, supersede: bool = False, **about: object) -> Build:
        return planner.submit(self.hub, change(name, **about), plan(*jobs), supersede)

    def get(self, kind, *key):  # type: ignore[no-untyped-def]
        return self.store.read(lambda tx: tx.get(kind, *key))

    def all(self, kind):  # type: ignore[no-untyped-def]
        return self.store.read(lambda tx: tx.find(kind, "key"))

    def job(self, build: Build, name: str) -> Job:
        jobs = self.store.read(lambda tx: tx.find(Job, "build", build.id))
        return next(job for job in jobs if job.name == name)

    def states(self, build: Build) -> dict[str, str]:
        jobs = self.store.read(lambda tx: tx.find(Job, "build", build.id))
        return {job.name: str(job.state) for job in jobs}

    def verdict(self, build: Build) -> str:
        return str(self.get(Build, build.id).state)

    def run_all(self, *agents: Agent, rounds: int = 20) -> None:
        """Let agents do everything there is."""
        for _ in range(rounds):
            self.tick()
            for agent in agents:
                for work in agent.start():
                    agent.run(work)
        self.tick()


def offered(farm: TestFarm, agent: Agent, *jobs: PlannedJob) -> Work:
    """Submit these jobs (one module without any) and give the first offer, which is not acknowledged yet."""
    farm.submit("c1", *(jobs or [planned("zlib")]))
    farm.tick()
    return agent.poll().offers[0]
