"""An agent that is ready before it knows whose it is, as it waits in virtual machines that others are copied from."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.conftest import SOURCE
from agent.fakehub import FakeHub

from penstock.agent.rehearsal import _go_back

WAIT = """
import json, sys
sys.path.insert(0, {source!r})
from penstock.agent.ready import main

def told():
    print("ready", flush=True)
    return json.loads(sys.stdin.readline())

sys.exit(main({words!r}, {folder!r}, told))
"""


class Ready:
    """One that waits. `work`: its folder."""

    def __init__(self, folder: Path) -> None:
        self.work, self._token = folder / "work", folder / "token"
        self._token.write_text("first\n")
        self.options = ["--work-dir", str(self.work), "--no-sandbox", "--power-off-command", "true"]
        script = WAIT.format(source=str(SOURCE), words=self.options, folder=str(folder / "rehearsal"))
        start = [sys.executable, "-S", "-E", "-c", script]
        self.said = folder / "agent.log"
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(
                start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.said.read_text()

    def tell(self, hub: FakeHub, *more: str) -> None:
        assert self.process.stdin is not None
        words = [*self.options, "--hub", hub.url, "--token-file", str(self._token), "--name", "vm-1", *more]
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        hub.wait(lambda: bool(hub.registrations), self.said.read_text())

    def open(self) -> list[str]:
        """What it has open beside what it was started with."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        return [os.readlink(one) for one in folder.iterdir() if int(one.name) > 2]


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Ready]:
    made = Ready(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.communicate()


def test_nothing_is_open_or_secret_while_it_waits_and_it_registers_when_it_is_told(
    hub: FakeHub, ready: Ready, tmp_path: Path
) -> None:
    assert not [what for what in ready.open() if what.startswith("socket:")]
    assert not (ready.work / "credential.json").exists(), "a key that all copies would share"
    assert not (tmp_path / "rehearsal").exists()
    ready.tell(hub)
    (about,) = hub.registrations
    assert about["name"] == "vm-1"
    assert about["slots"] == 1
    kept = json.loads((ready.work / "credential.json").read_text())
    assert kept["key"] == about["key"]
    assert not (ready.work / "dead-man").exists(), "it was not told to power off"
    ready.process.send_signal(signal.SIGTERM)
    assert ready.process.wait(60) == 0, ready.said.read_text()


def test_its_guard_waits_for_its_limit_and_there_is_one(hub: FakeHub, ready: Ready) -> None:
    assert (ready.work / "dead-man").read_text() == "", "no limit yet"
    ready.tell(hub, "--power-off-after", "30")
    assert (ready.work / "dead-man").read_text().startswith("1800.0 ")
    ready.process.send_signal(signal.SIGTERM)
    assert ready.process.wait(60) == 0
    (ready.work / "dead-man").unlink()


def test_one_that_was_made_ready_for_something_else_begins_anew(
    hub: FakeHub, ready: Ready, tmp_path: Path
) -> None:
    ready.tell(hub, "--slots", "3", "--work-dir", str(tmp_path / "other"))
    (about,) = hub.registrations
    assert about["slots"] == 3
    assert (tmp_path / "other" / "credential.json").exists()
    assert not (ready.work / "credential.json").exists()


def test_who_goes_back_to_its_group_makes_no_file_where_there_is_none(tmp_path: Path) -> None:
    _go_back(tmp_path / "cgroup.procs")
    assert not list(tmp_path.iterdir())
    (tmp_path / "cgroup.procs").write_text("")
    _go_back(tmp_path / "cgroup.procs")
    assert (tmp_path / "cgroup.procs").read_text() == str(os.getpid())
