"""Several `penstock serve` processes on one database, agents before them, and an address that leads to whoever lives."""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from real.killing import LIMIT_S, found_below, wait_for

Document = dict[str, Any]
FARM = """
[farm]
name = "hubs"
state = "{url}"
blobs = "file:blobs"
[platform.p]
image = "host"
[[pool]]
name = "own"
provider = "owned"
platforms = ["p"]
"""


class HubProcess:
    """One `penstock serve`; its address is waited for when it is first asked for."""

    def __init__(self, folder: Path, name: str, *options: str, farm: str = "farm.toml") -> None:
        self.log = folder / f"{name}.log"
        words = [
            sys.executable,
            "-m",
            "penstock",
            "serve",
            "--farm",
            farm,
            "--listen",
            "127.0.0.1:0",
            "--json",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, *options], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )

    @functools.cached_property
    def address(self) -> str:
        """The first line that it prints says it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        said = json.loads(line)
        assert said["pid"] == self.process.pid
        return str(said["address"])

    def ready(self) -> Document:
        """What /readyz says; {} when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5) as answer:
                found: Document = json.load(answer)
                return found
        except OSError:
            return {}

    @property
    def leads(self) -> bool:
        return self.ready().get("leads") is True

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode


class AgentProcess:
    """One `penstock agent`, in a sandbox, with its own folder."""

    def __init__(self, folder: Path, name: str, hub: str, token: str) -> None:
        self.home = folder / name
        self.home.mkdir()
        (self.home / "token").write_text(token)
        words = [
            sys.executable,
            "-m",
            "penstock.agent",
            "--hub",
            hub,
            "--token-file",
            str(self.home / "token"),
        ]
        words += ["--name", name, "--work-dir", str(self.home / "work")]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def gate(self) -> Path | None:
        """The pipe before which its job stands."""
        return found_below(self.home / "work", "gate")

    def let_through(self) -> None:
        """Open the gate, once its job reads there."""
        wait_for(self._open, "the job to read at its gate")

    def _open(self) -> bool:
        gate = self.gate()
        try:
            handle = os.open(gate, os.O_WRONLY | os.O_NONBLOCK) if gate else -1
        except OSError:
            return False
        if handle < 0:
            return False
        with open(handle, "w") as opened:
            opened.write("go\n")
        return True

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        self.process.kill()
        self.process.wait()


class Front:
    """One address before several hubs, as a load balancer is: each connection goes to the first that takes it, counted
    round. A thread per connection. `listen`: where, if not on a port of its own."""

    def __init__(self, backends: Callable[[], list[str]], listen: socket.socket | None = None) -> None:
        self._backends = backends
        self._next = 0
        self._listen = listen or socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listen.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listen.shutdown(socket.SHUT_RDWR)
        self._listen.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listen.accept()
                threading.Thread(target=self._pass, args=(here,), daemon=True).start()

    def _pass(self, here: socket.socket) -> None:
        with here, contextlib.suppress(OSError):
            there = self._connect()
            if there is None:
                return
            with there:
                while True:
                    ready, _, _ = select.select([here, there], [], [])
                    for one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        (there if one is here else here).sendall(data)

    def _connect(self) -> socket.socket | None:
        backends = self._backends()
        self._next += 1
        for n in range(len(backends)):
            host, port = backends[(self._next + n) % len(backends)].removeprefix("http://").split(":")
            with contextlib.suppress(OSError):
                return socket.create_connection((host, int(port)), timeout=5)
        return None


@contextlib.contextmanager
def ending(*what: Any) -> Iterator[None]:
    """However the test ends, these processes do, too."""
    try:
        yield
    finally:
        for one in what:
            for process in one if isinstance(one, list) else [one]:
                with contextlib.suppress(OSError):
                    process.end()


def leader_of(hubs: list[HubProcess], but: HubProcess | None = None) -> HubProcess:
    """The one that leads, waited for; no two do."""

    def look() -> HubProcess | None:
        found = [hub for hub in hubs if hub is not but and hub.leads]
        assert len(found) <= 1
        return found[0] if found else None

    found: HubProcess = wait_for(look, "a hub that leads")
    return found


def seconds_until(look: Callable[[], Any]) -> float:
    """How long it takes until there is something."""
    began_s = time.monotonic()
    wait_for(look, "something")
    return time.monotonic() - began_s
