"""A farm for benchmarks: a hub in a process of its own (bench.hub) and real agents."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

START_S = 30.0


class Served:
    """A hub that serves from `with` to its end, and agents for it. `state` is a store's address."""

    def __init__(self, state: str = "sqlite:///farm.db") -> None:
        self._state = state
        self._kept = tempfile.TemporaryDirectory()
        self.folder = Path(self._kept.name)
        self._agents: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Served":
        (self.folder / "hub").mkdir()
        words = [sys.executable, "-m", "bench.hub", str(self.folder / "hub"), self._state]
        self.hub = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self._line()
        return self

    def __exit__(self, *_: object) -> None:
        for agent in self._agents:
            agent.kill()
            agent.wait()
        self.hub.stdin.close()  # type: ignore[union-attr]
        self.hub.kill()
        self.hub.wait()
        self._kept.cleanup()

    def ask(self, **order: Any) -> Any:
        """One order of bench.hub, and its answer."""
        assert self.hub.stdin is not None
        self.hub.stdin.write(json.dumps(order) + "\n")
        self.hub.stdin.flush()
        return self._line()

    def _line(self) -> Any:
        assert self.hub.stdout is not None
        line = self.hub.stdout.readline()
        if not line:
            raise RuntimeError("the hub of the benchmark ended")
        return json.loads(line)

    def start_agents(self, count: int, slots: int, sandboxed: bool) -> None:
        """Start agents; they register by themselves."""
        for token in self.ask(tokens=count):
            name = f"m{len(self._agents)}"
            home = self.folder / name
            home.mkdir()
            (home / "token").write_text(token)
            words = [sys.executable, "-m", "penstock.agent", "--hub", self.address, "--name", name]
            words += [
                "--token-file",
                str(home / "token"),
                "--work-dir",
                str(home / "work"),
                "--slots",
                str(slots),
            ]
            words += [] if sandboxed else ["--no-sandbox"]
            with (home / "log").open("wb") as log:
                self._agents.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds so far: the hub's, and the agents' with their keepers and all that these waited for."""
        return _cpu_s(self.hub.pid), sum(_cpu_s(pid) for agent in self._agents for pid in _below(agent.pid))

    def wait(self, build: str, limit_s: float = 120.0) -> None:
        """Until no job of this build is open. Raises RuntimeError after `limit_s`."""
        until = time.monotonic() + limit_s
        while self.ask(open=build):
            if time.monotonic() > until:
                raise RuntimeError(f"after {limit_s:.0f} s: {self.ask(ended=build)}")
            time.sleep(0.005)


def _below(pid: int) -> list[int]:
    """A process and all below it; keepers live as long as their agent, so it has not waited for them."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(word) for path in threads for word in path.read_text().split()]
    return [pid, *(one for child in children for one in _below(child))]


def _cpu_s(pid: int) -> float:
    """User and system time of a process and of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
