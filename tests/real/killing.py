"""Farms of one folder that are built, killed and built again, and what their books say in between."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).parent
LIMIT_S = 300
LEFT_S = 30
"""Processes of a killed farm have so long to be gone. The kernel takes milliseconds; a laden machine some more."""
LOOK_S = 0.02
FARM = """
[farm]
name = "killed"
[platform.p]
image = "host"
[[pool]]
name = "here"
provider = "local"
platforms = ["p"]
slots = 2
price_per_hour = 0.05
"""
Document = dict[str, Any]


@dataclass
class Ended:
    """How a command ended. `left`: command lines of what lived on after it."""

    status: int | None
    out: str
    err: str
    left: list[str]

    @property
    def document(self) -> Document:
        found: Document = json.loads(self.out)
        return found

    def results(self) -> dict[str, str]:
        """How each job ended: {"a build": "passed"}."""
        return {f"{job['module']} {job['kind']}": job["result"] for job in self.document["jobs"]}

    def job(self, name: str) -> Document:
        """The line of "a build" in the document."""
        return next(job for job in self.document["jobs"] if f"{job['module']} {job['kind']}" == name)


class Running:
    """A command that runs below a reaper. `begun`: all of them, so that a test that fails leaves none."""

    begun: ClassVar[list["Running"]] = []

    def __init__(self, words: list[str], folder: Path, **more: Any) -> None:
        self._result = folder / f"ended-{time.monotonic_ns()}.json"
        reaper = [sys.executable, "-S", "-E", str(HERE / "reaper.py"), str(self._result), str(LEFT_S)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*reaper, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            **more,
        )
        self.begun.append(self)

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        found: int = wait_for(self._read, "the reaper to start the command")["pid"]
        return found

    def signal(self, number: int) -> None:
        """Send the command alone a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for the command and for all that it started."""
        out, err = self._process.communicate(timeout=LIMIT_S)
        said = self._read() or {}
        return Ended(said.get("status"), out, err, said.get("left", ["the reaper failed"]))

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill what still runs."""
        if not self.ended:
            self._process.send_signal(signal.SIGALRM)
        self._process.communicate(timeout=LIMIT_S)

    def _read(self) -> Document | None:
        try:
            found: Document = json.loads(self._result.read_text())
        except FileNotFoundError:
            return None
        return found


@dataclass
class Place:
    """A repository, a farm.toml and a state folder. `files`: what is in the repository, by path."""

    folder: Path
    files: Mapping[str, str]
    farm: str = FARM
    environment: dict[str, str] = field(default_factory=dict)
    gates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.repository.mkdir(parents=True)
        (self.folder / "farm.toml").write_text(self.farm)
        self.git("init", "--quiet", ".")
        self.commit(self.files)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def commit(self, files: Mapping[str, str]) -> None:
        """Write files and commit them; an empty text removes a file."""
        for name, text in files.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        who = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")
        self.git(*who, "commit", "--quiet", "--allow-empty", "--message=Change")

    def git(self, *words: str) -> None:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "-C", str(self.repository), *words], check=True, env=environment)

    def start(self, *words: str, point: str = "", number: int = 0) -> Running:
        """Start `penstock WORDS`; with a point, the one that dies there."""
        program = [str(HERE / "dying.py"), point, str(number)] if point else ["-m", "penstock"]
        more = {"env": {**os.environ, **self.environment}}
        return Running([sys.executable, *program, *words], self.folder, **more)

    def start_build(self, *options: str, point: str = "", number: int = 0) -> Running:
        """Start `penstock build --json`."""
        return self.start(*self.build_words(*options), point=point, number=number)

    def build_words(self, *options: str) -> list[str]:
        return ["build", "repository", "--farm", "farm.toml", "--state", "state", "--json", *options]

    def build(self, *options: str, point: str = "", number: int = 0) -> Ended:
        """Run `penstock build --json` to its end; nothing may be left of it."""
        ended = self.start_build(*options, point=point, number=number).wait()
        assert ended.left == [], ended.left
        return ended

    def ask(self, *words: str) -> Ended:
        """Run another command on this farm."""
        ended = self.start(*words, "--farm", "farm.toml", "--state", "state").wait()
        assert ended.left == [], ended.left
        return ended

    def served(self) -> Document | None:
        """What hub.json says while a hub serves; None before."""
        try:
            found: Document = json.loads((self.state / "hub.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return found

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database as it lies there now, through a copy, so that nothing of it is touched."""
        with copied(self.state) as database, contextlib.closing(sqlite3.connect(database)) as connection:
            return connection.execute(question, values).fetchall()

    def attempts(self) -> dict[str, list[str]]:
        """Ids of the attempts of each key that was tried."""
        found: dict[str, list[str]] = {}
        question = (
            "SELECT job.key, attempt.id FROM attempt JOIN job ON job.id = attempt.job ORDER BY attempt.id"
        )
        for key, attempt in self.rows(question):
            found.setdefault(key, []).append(attempt)
        return found

    def made(self) -> set[str]:
        """Keys that have been made: verified, or their end is recorded as passed and only to be settled."""
        kept = self.rows("SELECT key FROM module WHERE state IN ('verified', 'published')")
        told = self.rows(
            "SELECT job.key, attempt.finish_body FROM attempt JOIN job ON job.id = attempt.job"
            " WHERE attempt.state = 'finishing'"
        )
        return {key for (key,) in kept} | {key for key, end in told if json.loads(end)["result"] == "passed"}

    def log(self) -> bytes:
        """All that all attempts have printed as far as the hub has it."""
        return b"".join(path.read_bytes() for path in sorted((self.state / "logs").glob("*.log")))

    def reached(self, gate: str) -> Path:
        """Wait until a job stands before this gate (see `gated`)."""
        found: Path = wait_for(lambda: self._gate(gate), f"a job to reach {gate}")
        return found

    def let_through(self, *gates: str) -> None:
        """Let the jobs through these gates, one after another."""
        for gate in gates:
            wait_for(lambda gate=gate: self._open(gate), f"a job to go through {gate}")

    def let_all_through(self, running: Running) -> Ended:
        """Let every job through that comes to a gate, until the command has ended."""
        wait_for(lambda: running.ended or ([self._open(gate) for gate in self.gates] and None), "the end")
        return running.wait()

    def _gate(self, gate: str) -> Path | None:
        return found_below(self.state / "agents", gate)

    def _open(self, gate: str) -> bool:
        """Write to the pipe, if somebody reads it now."""
        try:
            pipe = self._gate(gate)
            handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK) if pipe else None
        except OSError:
            return False
        if handle is None:
            return False
        with open(handle, "w") as opened:
            opened.write("go\n")
        return True


def found_below(folder: Path, name: str) -> Path | None:
    """A file of this name below a folder in which others make and remove folders: Path.glob raises where one is gone."""
    for where, _, files in os.walk(folder):
        if name in files:
            return Path(where, name)
    return None


def gated(gate: str, *commands: str) -> str:
    """Commands of a job, as a YAML list, that begin when somebody lets them through."""
    return json.dumps([f"mkfifo {gate}", f"read word < {gate}", *commands])


@contextlib.contextmanager
def copied(state: Path) -> Iterator[Path]:
    """A copy of the database with its journal, in a folder beside the state."""
    folder = state.parent / f"copy-{time.monotonic_ns()}"
    folder.mkdir()
    try:
        for path in state.glob("penstock.db*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, folder / path.name)
        yield folder / "penstock.db"
    finally:
        shutil.rmtree(folder)


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until there is something; fails after the limit."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(LOOK_S)
    raise AssertionError(f"waited in vain for {what}")
