"""Provider "local": agents that the hub starts on its own machine and that die with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.model.rules import Pool

_STOP_S = 10.0


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
        self._agents: list[subprocess.Popen[bytes]] = []

    @property
    def count(self) -> int:
        """How many agents the pool has: its `machines`, at least one."""
        return max(1, self._pool.machines)

    def start(self, tokens: Sequence[str]) -> None:
        """Start one agent per enrolment token."""
        for number, token in enumerate(tokens, 1):
            home = self._folder / f"{self._pool.name}-{number}"
            home.mkdir(parents=True, exist_ok=True)
            self._agents.append(self._spawn(home, token))

    def dead(self) -> list[int]:
        """Exit statuses of agents that have ended although nobody asked them to."""
        return [agent.returncode for agent in self._agents if agent.poll() is not None]

    def stop(self) -> None:
        """End all agents and what they run; returns when they are gone."""
        for agent in self._agents:
            _signal(agent, signal.SIGINT)
        for agent in self._agents:
            try:
                agent.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()
        self._agents = []

    def _spawn(self, home: Path, token: str) -> subprocess.Popen[bytes]:
        token_file = home / "token"
        token_file.unlink(missing_ok=True)
        handle = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(token)
        # Our id, not "whoever the parent is": who is killed between this fork and that call leaves an orphan.
        arguments = [sys.executable, "-m", "penstock.agent", "--die-with-parent", str(os.getpid())]
        arguments += ["--hub", self._hub]
        arguments += ["--token-file", str(token_file), "--pool", self._pool.name, "--name", home.name]
        arguments += ["--slots", str(self._pool.slots), "--work-dir", str(home / "work")]
        arguments += ["--no-sandbox"] if self._no_sandbox else []
        with (home / "agent.log").open("ab") as log:
            return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _signal(agent: subprocess.Popen[bytes], number: int) -> None:
    try:
        agent.send_signal(number)
    except ProcessLookupError:
        return
