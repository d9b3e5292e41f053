"""A hub and an agent for each test, both gone afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.fakehub import FakeHub

SOURCE = Path(__file__).resolve().parents[2] / "src"
START = "import sys; sys.path.insert(0, {!r}); from penstock.agent.__main__ import main; sys.exit(main(sys.argv[1:]))"


class Agent:
    """The real program, started without site packages, as on a machine with nothing but Python."""

    def __init__(self, folder: Path, hub: FakeHub) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.hub = hub
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "token").write_text("first\n")

    def arguments(self, *more: str) -> list[str]:
        start = [sys.executable, "-S", "-E", "-c", START.format(str(SOURCE)), "--hub", self.hub.url]
        return [*start, "--token-file", str(self.folder / "token"), "--work-dir", str(self.work), *more]

    def start(self, *more: str) -> "Agent":
        before = len(self.hub.registrations)
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.arguments(*more), stderr=log)
        self.hub.wait(lambda: len(self.hub.registrations) > before, self.said())
        return self

    def run(self, *more: str) -> "Agent":
        """Start it and wait for nothing."""
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.arguments(*more), stderr=log)
        return self

    def said(self) -> str:
        return (self.folder / "agent.log").read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    made = FakeHub()
    yield made
    made.stop()


@pytest.fixture
def agent(tmp_path: Path, hub: FakeHub) -> Iterator[Agent]:
    made = Agent(tmp_path, hub)
    yield made
    made.clean_up()


@pytest.fixture
def living():
    """living(mark): processes whose command line holds a word."""

    def find(mark: str) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    return find
