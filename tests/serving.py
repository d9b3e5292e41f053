"""A farm that serves another system's queue, for tests of the hub: that system is a list, its agents come with machines."""

from dataclasses import replace

import msgspec
from farms import TestFarm
from renting import BURST
from renting import RULES as RENTING

from penstock.model.foreign import Agent, Fate, Request, Run, Watched
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.pool_foreign import Serves
from penstock.model.states import Power
from penstock.providers.simulated import Simulated
from penstock.queueport import QueueError

URL = "http://master.example"
SERVES = Serves(url=URL, platforms=(("linux-*", "linux"),), names="burst-%d", master="master.example:9989")
POOL = msgspec.structs.replace(BURST, agent="buildbot-worker", serves=SERVES, size=None, max=4)
RULES = msgspec.structs.replace(RENTING, pools=(POOL,))


class Foreign:
    """Another system: requests wait until an agent that is connected and not paused is free; `end` ends what runs."""

    def __init__(self, farm: "Served") -> None:
        self._farm = farm
        self.requests: dict[str, Request] = {}
        self.runs: dict[str, Run] = {}
        self.connected: set[str] = set()
        self.lasting: set[str] = set()
        self.paused: dict[str, bool] = {}
        self.fates: dict[str, Fate] = {}
        self.problem = ""
        self.full = False
        self.looks = 0

    def ask(self, *builders: str, group: str = "") -> list[str]:
        """New requests. Returns their ids."""
        fresh = []
        for builder in builders:
            number = str(len(self.requests) + len(self.fates) + 1)
            self.requests[number] = Request(
                id=number, builder=builder, group=group, title="a push", since_ms=self._farm.clock.wall
            )
            fresh.append(number)
        return fresh

    @property
    def running(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.ended_ms]

    def assign(self) -> None:
        """Free agents take what waits, in order."""
        if self.full:
            return
        busy = {run.agent for run in self.running}
        mine = {name for name in self.connected if name != "stranger"}
        free = sorted(name for name in mine - busy if not self.paused.get(name))
        held = {run.request.id for run in self.runs.values() if run.result != "lost"}
        for request in self.requests.values():
            if free and request.id not in held and request.builder.startswith("linux-"):
                self.begin(request.id, free.pop(0))

    def begin(self, request: str, agent: str) -> str:
        number = str(len(self.runs) + 1)
        self.runs[number] = Run(
            id=number, request=self.requests[request], agent=agent, started_ms=self._farm.clock.wall
        )
        return number

    def end(self, run: str, result: str = "passed", cause: str = "") -> None:
        ended = {"ended_ms": self._farm.clock.wall, "result": result, "cause": cause}
        self.runs[run] = msgspec.structs.replace(self.runs[run], **ended)

    def drop(self, agent: str) -> None:
        """The agent is not there any more; what it ran is lost."""
        self.connected.discard(agent)
        for run in self.running:
            if run.agent == agent:
                self.end(run.id, "lost", "connection lost")

    # ports.Queue

    def watch(self, mark: str) -> Watched:
        self.looks += 1
        if self.problem:
            raise QueueError(self.problem)
        taken = {run.request.id for run in self.runs.values() if run.result != "lost"}
        names = {*self.connected, *self.paused}
        return Watched(
            waiting=tuple(one for one in self.requests.values() if one.id not in taken),
            running=tuple(self.running),
            ended=tuple(run for run in self.runs.values() if run.ended_ms >= int(mark or 0) and run.ended_ms),
            agents=tuple(
                Agent(
                    name=name,
                    connected=name in self.connected,
                    paused=self.paused.get(name, False),
                    paused_by_us=self.paused.get(name, False),
                )
                for name in sorted(names)
            ),
            mark=str(max([int(mark or 0), *(run.ended_ms for run in self.runs.values())])),
        )

    def fate(self, request: str) -> Fate:
        return self.fates.get(request, Fate(state="open"))

    def pause(self, agent: str, paused: bool) -> None:
        if self.problem:
            raise QueueError(self.problem)
        self.paused[agent] = paused

    def secret(self, agent: str) -> str:
        if agent == "burst-3":
            raise QueueError("no secret is known for burst-3")
        return f"secret of {agent}"


class Served(TestFarm):
    """A farm that serves `system` with machines of a simulated provider, whose agents connect to it."""

    __test__ = False

    def __init__(self, books: bool = False) -> None:
        super().__init__(RULES, books=books)
        self.provider = Simulated(POOL, self.clock.monotonic_ms)
        self.system = Foreign(self)
        self.hub = replace(self.hub, providers={"burst": self.provider}, queues={URL: self.system})
        self.again()

    @classmethod
    def at_work(cls, *builders: str, books: bool = False) -> "Served":
        """One whose machines run these, and whose books say so."""
        farm = cls(books)
        farm.system.ask(*builders)
        farm.until(lambda: len(farm.system.running) == len(builders))
        farm.pass_s(10)
        return farm

    def again(self) -> None:
        """A new leader, and its first seconds."""
        self.restart()
        self.pass_s(6)

    def pass_s(self, seconds: int, connects: bool = True) -> None:
        """Let time pass: agents of machines that are up connect, free ones take what waits."""
        for _ in range(seconds):
            self.tick(1000)
            if connects:
                up = {order.name for order in self.provider.up().values()}
                self.system.connected |= up
                for gone in self.system.connected - up - self.system.lasting:
                    self.system.drop(gone)
            self.system.assign()

    def until(self, true: object, most_s: int = 4000) -> None:
        for _ in range(most_s):
            if true():  # type: ignore[operator]
                return
            self.pass_s(1)
        raise AssertionError([(one.name, one.power, one.power_reason) for one in self.all(Machine)])

    @property
    def machines(self) -> list[Machine]:
        return [one for one in self.all(Machine) if one.power != Power.GONE]

    def powers(self) -> dict[str, str]:
        return {one.name: str(one.power) for one in self.machines}

    def jobs(self) -> list[tuple[str, str]]:
        """Modules and states, in the order of ids."""
        return [(one.spec.module, str(one.state)) for one in self.all(Job)]
