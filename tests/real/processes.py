"""Commands below a reaper of their own, so that what they leave running is known when they are killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from real.killing import HERE, LEFT_S, LIMIT_S, wait_for

Document = dict[str, Any]


class Process:
    """One command below a reaper. `out` and `log` are its standard output and error, kept over restarts."""

    begun: list["Process"] = []

    def __init__(self, folder: Path, name: str, words: Sequence[str], before: Sequence[str] = ()) -> None:
        mark = f"{name}-{time.monotonic_ns()}"
        self.name = name
        self.result = folder / f"{mark}.json"
        self.out, self.log = folder / f"{mark}.out", folder / f"{name}.log"
        reaper = [sys.executable, "-S", "-E", str(HERE / "reaper.py"), str(self.result), str(LEFT_S)]
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self._reaper = subprocess.Popen(
                [*before, *reaper, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )
        self.begun.append(self)

    @property
    def said(self) -> Document:
        """What the reaper knows: pid, at the end also status and what was left."""
        with contextlib.suppress(FileNotFoundError):
            found: Document = json.loads(self.result.read_text())
            return found
        return {}

    @property
    def pid(self) -> int:
        wait_for(lambda: self.said, f"{self.name} to start")
        return int(self.said["pid"])

    @property
    def lives(self) -> bool:
        """Whether the command itself runs still."""
        pid = self.said.get("pid")
        return self._reaper.poll() is None and (pid is None or _state(pid) not in "XZ")

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, to the command alone; returns when it is gone."""
        self.send(signal.SIGKILL)
        wait_for(lambda: not self.lives, f"{self.name} to be gone")

    def ended(self) -> Document:
        """Wait for the command and for all that it started: {"pid", "status", "left"}."""
        self._reaper.wait(LIMIT_S)
        return self.said

    def end(self) -> None:
        """However it is, it is gone with all that it started."""
        if self._reaper.poll() is None:
            self._reaper.send_signal(signal.SIGALRM)
            self._reaper.wait(LIMIT_S)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return "X"


def address_of(hub: Process) -> str:
    """Where a hub serves; "" before that, and when it is gone."""
    line = hub.out.read_text().partition("\n")[0]
    return str(json.loads(line)["address"]) if line and hub.lives else ""
