"""A farm in which much is going on, made through the hub's own services: for looking at pages, and for tests of them.

`python -m tests.busyfarm` serves it on this machine and prints where; with `empty` a farm in which nothing is yet.
"""

import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from penstock.hub import people, planner
from penstock.hub.queue import Ending, Work
from penstock.model.change import Build, Change
from penstock.model.farm import Event, Farm
from penstock.model.job import Usage
from penstock.model.plan import PlannedJob
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.units import Size
from penstock.ports import Store
from penstock.store.logs import FolderLogs
from tests.farms import Agent, TestFarm, passed, plan, planned

STEP_MS = 15_000
GCC, ASAN, ARM, MAC = "debian-12-gcc", "debian-12-clang-asan", "ubuntu-24.04-arm64", "macos-14"
PLATFORMS = (GCC, ASAN, ARM, MAC)
POOLS = (
    Pool(name="rack", provider="owned", platforms=(GCC, ASAN), slots=2, size=Size(8, 32_768), machines=8),
    Pool(
        name="burst", provider="ec2", platforms=(GCC, ASAN), slots=2, size=Size(8, 16_384), reclaim_per_hour=0.05,
        price_per_hour_micros=403_200,
    ),
    Pool(name="boards", provider="owned", platforms=(ARM,), slots=1, size=Size(4, 8192), machines=3),
    Pool(name="minis", provider="owned", platforms=(MAC,), slots=1, size=Size(8, 16_384), machines=2),
)  # fmt: skip
RULES = Rules(name="lighthouse", platforms={p: Platform(name=p, image=p) for p in PLATFORMS}, pools=POOLS)
NEEDS = {
    "qtbase": (),
    "qtsvg": ("qtbase",),
    "qtshadertools": ("qtbase",),
    "qtimageformats": ("qtbase",),
    "qtdeclarative": ("qtbase", "qtsvg", "qtshadertools"),
    "qtserialport": ("qtbase",),
    "qtwebsockets": ("qtdeclarative",),
    "qtmultimedia": ("qtdeclarative",),
    "qt3d": ("qtdeclarative", "qtmultimedia"),
    "qtcharts": ("qtdeclarative",),
    "qtwayland": ("qtdeclarative",),
    "qttools": ("qtdeclarative",),
}
SOURCES = {"qt": "qt5", "kde": "frameworks"}
MINUTES = {"qtbase": 9, "qtdeclarative": 12, "qt3d": 7}
PASSED_LOG = "\x1b[1m-- Configuring {module}\x1b[0m\n-- Found Threads: TRUE\n" + "".join(
    f"[{n}/240] Building CXX object src/CMakeFiles/obj_{n:03d}.dir/part_{n:03d}.cpp.o\n"
    for n in range(1, 241)
)
FAILED_LOG = PASSED_LOG + (
    "\x1b[31mFAILED: \x1b[0msrc/multimedia/CMakeFiles/Multimedia.dir/qvideosink.cpp.o\n"
    "\x1b[1m/build/src/multimedia/qvideosink.cpp:118:26: \x1b[31merror: \x1b[0m\x1b[1mno member named 'rhi' in 'QVideoFramePrivate'\x1b[0m\n"
    "  118 |     return d->videoFrame->rhi();\n"
    "      |            ~~~~~~~~~~~~~  ^\n"
    "1 error generated.\n"
    "ninja: build stopped: subcommand failed.\n"
)


@dataclass
class Busy:
    """The farm, its logs, its agents, and what runs on them until when."""

    farm: TestFarm
    logs: FolderLogs
    agents: list[Agent] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    ends_ms: dict[str, int] = field(default_factory=dict)
    broken: set[tuple[str, str, str]] = field(default_factory=set)

    def join(self, pool: str, *names: str) -> None:
        """Agents of a pool register."""
        rule = next(one for one in POOLS if one.name == pool)
        assert rule.size is not None
        about = {"slots": rule.slots, "cores": rule.size.cores, "memory_mb": rule.size.memory_mb}
        for name in names:
            key = name.encode().hex().ljust(64, "0")[:64]
            self.agents.append(Agent(self.farm, name, pool, key=key, **about))

    def go(self, minutes: float) -> None:
        """Let time pass; agents take what they are offered and end what is due."""
        for _ in range(int(minutes * 60_000 / STEP_MS)):
            self.farm.tick(STEP_MS)
            for agent in self.agents:
                if agent.registration.name not in self.silent:
                    self._live(agent)
        self.farm.tick()

    def _live(self, agent: Agent) -> None:
        now_ms = self.farm.clock.wall
        for work in list(agent.holding.values()):
            if self.ends_ms.get(work.attempt.id, 1 << 60) <= now_ms:
                self._end(agent, work)
        heard = agent.poll()
        for ended in (
            [one for one in heard.orders if one.order != "continue"] if hasattr(heard, "orders") else []
        ):
            agent.holding.pop(ended.attempt, None)
        for work in heard.offers:
            agent.take(work)
            self._print(work)

    def _print(self, work: Work) -> None:
        spec = work.job.spec
        minutes = MINUTES.get(spec.module, 3) * (0.5 if spec.kind == "test" else 1)
        spread = sum(work.job.id.encode()) % 7 * 20_000
        self.ends_ms[work.attempt.id] = int(self.farm.clock.wall + minutes * 60_000 + spread)
        bad = (spec.module, spec.platform, spec.kind) in self.broken
        text = (FAILED_LOG if bad else PASSED_LOG).replace("{module}", spec.module)
        self.logs.append(work.attempt.id, 0, text.encode())

    def _end(self, agent: Agent, work: Work) -> None:
        spec = work.job.spec
        if (spec.module, spec.platform, spec.kind) in self.broken:
            agent.finish(
                work, Ending(result="failed", exit_code=1, usage=Usage(cpu_ms=90_000, memory_peak_mb=712))
            )
            return
        names = {"build": ["tree"], "fetch": ["source"], "test": []}[spec.kind]
        made = f"made {work.job.key}".encode()
        outputs = [agent.upload(work, name, made + name.encode()) for name in names]
        wall_ms = self.farm.clock.wall - self.ends_ms[work.attempt.id] + 60_000
        ending = passed(*outputs, wall_ms=wall_ms)
        agent.finish(work, msgspec.structs.replace(ending, usage=Usage(cpu_ms=410_000, memory_peak_mb=1840)))


def qt_plan(revision: str, changed: tuple[str, ...] = tuple(NEEDS)) -> list[PlannedJob]:
    """The modules on all platforms, with a test each; those that changed have another source."""
    jobs = []
    for platform in PLATFORMS:
        for module, needs in NEEDS.items():
            command = f"cmake --build . # {revision}" if module in changed else "cmake --build ."
            ids = tuple(f"{need}:build@{platform}" for need in needs)
            for kind, inner in (("build", ids), ("test", (*ids, f"{module}:build@{platform}"))):
                job = planned(
                    module, kind, needs=inner, platform=platform, commands=(command,), size=Size(4, 4096)
                )
                jobs.append(msgspec.structs.replace(job, id=f"{module}:{kind}@{platform}", platform=platform))
    return jobs


def submit(busy: Busy, number: int, project: str, who: str, changed: tuple[str, ...]) -> Build:
    """One change of a project."""
    ref = f"{number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFF:012x}"
    source = f"https://code.example.org/{project}/{SOURCES.get(project, project)}.git"
    asked = Change(id=f"c{number}", source=source, ref=ref, who=who, project=project)
    return planner.submit(busy.farm.hub, asked, plan(*qt_plan(ref, changed)))


def make(folder: Path, store: Store | None = None, busy: bool = True) -> Busy:
    """The farm: a few hours of work, something of everything that can go wrong."""
    made = Busy(TestFarm(RULES, store), FolderLogs(folder / "logs"))
    if not busy:
        return made
    made.join("rack", *(f"rack-{n:02d}" for n in range(1, 9)))
    made.join("burst", "i-0a41f", "i-0b772", "i-0c903")
    made.join("boards", "board-1", "board-2", "board-3")
    made.join("minis", "mini-1", "mini-2")
    submit(made, 1, "qt", "marge", tuple(NEEDS))
    made.go(70)
    for number, who, changed in ((2, "abdul", "qtcharts"), (3, "tomasz", "qtsvg"), (4, "marge", "qttools")):
        submit(made, number, "qt", who, (changed,))
        made.go(12)
    made.broken.add(("qtmultimedia", ASAN, "build"))
    submit(made, 5, "qt", "ines", ("qtmultimedia",))
    made.go(18)
    made.broken.clear()
    submit(made, 6, "qt", "ines", ("qtmultimedia", "qtwayland"))
    submit(made, 7, "kde", "yuki", ("qtserialport",))
    made.go(20)
    given_up = submit(made, 8, "qt", "abdul", ("qtimageformats",))
    made.go(2)
    people.cancel(made.farm.hub, given_up.id, "pushed by mistake")
    _trouble(made)
    submit(made, 9, "qt", "marge", ("qtsvg",))
    made.go(5)
    submit(made, 10, "kde", "yuki", ("qtwebsockets", "qttools"))
    submit(made, 11, "qt", "tomasz", ("qtbase",))
    made.go(14)
    return made


def _trouble(made: Busy) -> None:
    """A machine falls silent, one is taken out by a person, a download fails, all rights were extended once."""
    farm = made.farm
    made.silent.add("i-0c903")
    taken_out = next(agent for agent in made.agents if agent.registration.name == "rack-05")
    people.quarantine(farm.hub, taken_out.machine.id, "fan 2 stands still, ticket 4711")

    def tell(tx) -> None:  # type: ignore[no-untyped-def]
        now_ms = farm.clock.wall
        for n in range(3):
            tx.insert(
                Event(
                    kind="download",
                    state="ftp.example.org",
                    reason="421 too many connections",
                    at_ms=now_ms + n,
                )
            )
        tx.insert(
            Event(
                kind="farm",
                state="alert",
                reason="6 of 22 rights ended at once: all were extended once",
                at_ms=now_ms,
            )
        )

    farm.store.write(tell)


def freeze(made: Busy, reason: str) -> None:
    """The farm stands still, as after a restore."""

    def write(tx) -> None:  # type: ignore[no-untyped-def]
        row = tx.get(Farm, "farm")
        tx.replace(msgspec.structs.replace(row, frozen=True, frozen_reason=reason))

    made.farm.store.write(write)


def main() -> None:
    """Serve such a farm until interrupted."""
    import socket

    from penstock.store.open import open_store
    from penstock.web.app import make_app
    from penstock.web.bell import Bell
    from penstock.web.server import Edge
    from penstock.web.site import Site
    from tests.web.edges import OneSource

    folder = Path(tempfile.mkdtemp())
    store = open_store(f"sqlite:///{folder}/penstock.db", folder)
    made = make(folder, store, busy="empty" not in sys.argv)
    if "frozen" in sys.argv:
        freeze(made, "restored from the backup of 02:00 into incarnation k3v9q")
    site = Site(made.farm.hub, made.logs, OneSource(), Bell(), "token")
    edge = Edge(make_app(site), socket.create_server(("127.0.0.1", 0))).start()
    print(f"{edge.address}/login?token=token", flush=True)
    while True:
        time.sleep(1)
        if "still" not in sys.argv:
            made.go(0.25)


if __name__ == "__main__":
    main()
