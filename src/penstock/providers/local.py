"""Provider "local": agents that the hub starts on its own machine and that die with it."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.model.rules import Pool
from penstock.ports import FarmFailed

_STOP_S = 10.0
FILES = 1024
DEATHS_MAX = 3
"""An agent that ends more often than this is not started again."""


@dataclass
class _Agent:
    """One agent: its folder, its process of now, and how many before it ended unasked."""

    home: Path
    process: subprocess.Popen[bytes]
    deaths: int = 0


class Local:
    """The agents of one pool as child processes.

    Start it from a thread that lives as long as the farm: the kernel ties "die with the parent" to the thread
    that forked, not to the process (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self, pool: Pool, folder: Path, hub: str, no_sandbox: bool) -> None:
        self._pool = pool
        self._folder = folder
        self._hub = hub
        self._no_sandbox = no_sandbox
        self._agents: list[_Agent] = []

    @property
    def count(self) -> int:
        """How many agents the pool has: its `machines`, at least one."""
        return max(1, self._pool.machines)

    def start(self, tokens: Sequence[str]) -> None:
        """Start one agent per enrolment token."""
        for number, token in enumerate(tokens, 1):
            home = self._folder / f"{self._pool.name}-{number}"
            home.mkdir(parents=True, exist_ok=True)
            _write_token(home, token)
            self._agents.append(_Agent(home, self._spawn(home)))

    def revive(self) -> list[str]:
        """Start agents again that ended although nobody asked them to; what they ran is tried again.

        Returns a sentence for each. Raises FarmFailed for one that does not stay. Call it from the thread that called
        `start`.
        """
        return [self._again(agent) for agent in self._agents if agent.process.poll() is not None]

    def stop(self) -> None:
        """End all agents and what they run; returns when they are gone."""
        for agent in self._agents:
            _signal(agent.process, signal.SIGINT)
        for agent in self._agents:
            try:
                agent.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                agent.process.kill()
                agent.process.wait()
        self._agents = []

    def _again(self, agent: _Agent) -> str:
        agent.deaths += 1
        said = f"the local agent {agent.home.name} ended with status {agent.process.returncode}"
        if agent.deaths > DEATHS_MAX:
            raise FarmFailed(f"{said}, for the {agent.deaths}th time: see {agent.home}/agent.log")
        # The credential that it got when it enrolled lies in its folder: it needs no token.
        agent.process = self._spawn(agent.home)
        return f"{said}; started again"

    def _spawn(self, home: Path) -> subprocess.Popen[bytes]:
        # Our id, not "whoever the parent is": who is killed between this fork and that call leaves an orphan.
        arguments = [sys.executable, "-m", "penstock.agent", "--die-with-parent", str(os.getpid())]
        arguments += ["--hub", self._hub]
        arguments += ["--token-file", str(home / "token"), "--pool", self._pool.name, "--name", home.name]
        arguments += ["--slots", str(self._pool.slots), "--work-dir", str(home / "work")]
        arguments += ["--no-sandbox"] if self._no_sandbox else []
        with (home / "agent.log").open("ab") as log:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _limit_files(process.pid)
        return process


def _write_token(home: Path, token: str) -> None:
    """Leave an agent its enrolment token, readable by us only."""
    file = home / "token"
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as opened:
        opened.write(token)


def _limit_files(pid: int) -> None:
    """As few as any program starts with: the hub raised its own limit, and some programs close each one they may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(FILES, most), most))


def _signal(agent: subprocess.Popen[bytes], number: int) -> None:
    try:
        agent.send_signal(number)
    except ProcessLookupError:
        return
