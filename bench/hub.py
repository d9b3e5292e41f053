"""A hub in a process of its own for benchmarks: `python -m bench.hub FOLDER STATE`.

It serves one pool of machines with four slots, and takes orders as JSON lines on its standard input:
{"submit": COUNT, "command": TEXT} -> {"build": ID}; {"ended": BUILD} -> how many jobs have; {"times": BUILD} ->
[[offered_ms, started_ms, ended_ms, first log line], ...]; {"tokens": N} -> enrolment tokens; {"memory": null} -> kB.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from penstock.cli.deciding import Deciding
from penstock.hub import planner, sessions
from penstock.hub.leader import Leader
from penstock.model.change import Change
from penstock.model.job import Attempt, Job, JobSpec, Source
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Platform, Pool, Rules
from penstock.model.units import Size
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge
from penstock.web.site import Site
from penstock.wiring import Parts, assemble

START_S = 30.0


def rules(folder: Path, state: str) -> Rules:
    """One pool of owned machines, each with room for four jobs of one core."""
    pool = Pool(name="bench", provider="owned", platforms=("bench",), slots=4, size=Size(4, 8192))
    platform = Platform(name="bench", image="debian-12")
    return Rules(
        state=state, blobs="file:blobs", folder=str(folder), platforms={"bench": platform}, pools=(pool,)
    )


def repository(folder: Path) -> str:
    """A git repository with one small file: the source of every job."""
    place = folder / "source"
    place.mkdir()
    (place / "README").write_text("nothing to build\n")
    name = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["init", "-q"], ["add", "README"], [*name, "commit", "-q", "-m", "bench"]):
        subprocess.run(["git", "-C", str(place), *words], check=True)
    return str(place)


def a_plan(count: int, command: str, source: Source) -> Plan:
    """Jobs that need nothing and make nothing."""
    spec = JobSpec(
        kind="test", module="m", platform="bench", commands=(command,), source=source, reuse="never"
    )
    return Plan(
        tuple(
            PlannedJob(id=f"m{n}:test@bench", kind="test", module="m", platform="bench", spec=spec)
            for n in range(count)
        )
    )


class Bench:
    """The hub, and what it can be asked."""

    def __init__(self, parts: Parts, bell: Bell, source: Source) -> None:
        self.parts, self.bell, self.source = parts, bell, source
        self.deciding = Deciding(parts, Leader(parts.hub, alone=parts.alone), bell, self._note)
        self.changes = 0

    def serve(self) -> str:
        """Begin; returns the address."""
        parts = self.parts
        listen = socket.create_server(("127.0.0.1", 0))
        edge = Edge(make_app(Site(parts.hub, parts.logs, parts.git, self.bell, "operator")), listen).start()
        self.deciding.start()
        if not self.deciding.begun.wait(START_S):
            raise RuntimeError("the services did not begin")
        return edge.address

    def _note(self, problem: Exception) -> None:
        print(f"bench.hub: {problem!r}", file=sys.stderr)

    def answer(self, order: dict[str, Any]) -> Any:
        """Do what one line asks for."""
        (what, value), *rest = order.items()
        return getattr(self, f"do_{what}")(value, **dict(rest))

    def do_submit(self, count: int, command: str = "true") -> str:
        """A build of so many jobs."""
        self.changes += 1
        asked = Change(id=f"bench-{self.changes}", source=f"bench-{self.changes}")
        return planner.submit(self.parts.hub, asked, a_plan(count, command, self.source)).id

    def do_ended(self, build: str) -> dict[str, int]:
        """How many jobs of a build are in which state."""
        found: dict[str, int] = {}
        for job in self.parts.hub.store.read(lambda tx: tx.find(Job, "build", build)):
            found[job.state] = found.get(job.state, 0) + 1
        return found

    def do_open(self, build: str) -> int:
        """1 while a job of the build is open."""
        return len(self.parts.hub.store.read(lambda tx: tx.find(Job, "build", build, True, limit=1)))

    def do_times(self, build: str) -> list[Any]:
        """When each attempt was offered, began and ended, and what it printed first."""
        attempts = self.parts.hub.store.read(lambda tx: tx.find(Attempt, "build", build))
        return [
            [a.offered_ms, a.started_ms, a.ended_ms, self.parts.logs.read(a.id, 0, 100).decode().strip()]
            for a in attempts
        ]

    def do_tokens(self, count: int) -> list[str]:
        """Enrolment tokens."""
        return [sessions.create_token(self.parts.hub, "bench") for _ in range(count)]

    def do_memory(self, _: None) -> int:
        """The most memory that this process held, kB."""
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Serve until standard input ends."""
    folder, state = Path(sys.argv[1]), sys.argv[2]
    bell = Bell()
    parts = assemble(rules(folder, state), folder, bell)
    bench = Bench(parts, bell, parts.git.resolve(repository(folder), "HEAD"))
    print(json.dumps(bench.serve()), flush=True)
    for line in sys.stdin:
        print(json.dumps(bench.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
