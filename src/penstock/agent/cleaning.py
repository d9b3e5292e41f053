"""Clean after so many jobs: machines that cannot be thrown away are cleaned instead, before they take the next offer.

The hub says after how many jobs. The agent counts them in a file, so that no crash and no power cut leaves out a cleaning; ends
what it has, begins itself anew, removes everything that jobs left in its folder, and then runs the program of the machine's
administrator, where one is named. That may take as long as it wants and reboot the machine: until it has ended with status 0 it is
run again at every start. While it fails, the machine takes nothing, and the hub is told why.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from penstock.agent.discard import discard

KEPT = ("credential.json", "lock", "finishes", "cleaning.json", "dead-man", "dead-man.lock")
"""What is no job's: who we are, and what the hub has not heard of yet."""
AGAIN_S = 600.0
"""A cleaning that failed is tried again after so long."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Cleaning:
    """One machine's. `program`: what is run after everything is removed, "" = nothing more."""

    def __init__(self, folder: Path, program: str = "") -> None:
        self._folder, self._program = folder, program
        self._file = folder / "cleaning.json"
        self._kept = _read(self._file)
        self._tried_s = time.monotonic()
        self.failed = ""

    @property
    def after(self) -> int:
        """After how many jobs, 0 = never."""
        return int(self._kept["after"])

    @property
    def due(self) -> bool:
        """Whether nothing more may be begun before."""
        return 0 < self.after <= int(self._kept["begun"])

    @property
    def ready(self) -> bool:
        """Whether it is to be done now: one that failed only much later."""
        return self.due and (not self.failed or time.monotonic() - self._tried_s >= AGAIN_S)

    def told(self, closed: bool) -> dict[str, Any]:
        """What the hub has to know before it offers anything. `closed`: nothing new is taken."""
        return {"draining": closed, "unclean": self.failed if self.due else ""}

    def every(self, jobs: int) -> None:
        """The hub says after how many jobs."""
        if jobs != self.after:
            self._write(after=jobs)

    def begun(self) -> None:
        """A job begins: from now on it counts, whatever becomes of us."""
        if self.after:
            self._write(begun=int(self._kept["begun"]) + 1)

    def clean(self) -> None:
        """Do it, if it is due. Call it before anything is opened in the folder; afterwards `failed` says what went wrong."""
        if not self.due:
            return
        boot = _boot_id()
        since = str(self._kept["since"]) or boot
        self._write(since=since)
        self.failed = self._remove() or self._run({"PENSTOCK_CLEANING_SINCE": since, "PENSTOCK_BOOT": boot})
        self._tried_s = time.monotonic()
        if not self.failed:
            self._write(begun=0, since="")

    def _remove(self) -> str:
        """Everything that jobs left. Returns what could not be removed, and why."""
        for path in sorted(self._folder.iterdir()):
            if path.name in KEPT:
                continue
            try:
                discard(path)
            except OSError as error:
                return f"{path.name} cannot be removed: {error.strerror}"
        return ""

    def _run(self, told: dict[str, str]) -> str:
        """Returns why the program failed, or ""."""
        if not self._program:
            return ""
        words = {**told, "PENSTOCK_WORK_DIR": str(self._folder)}
        try:
            ended = subprocess.run(
                [self._program], stdin=subprocess.DEVNULL, env={**os.environ, **words}, check=False
            )
        except OSError as error:
            return f"{self._program}: {error.strerror}"
        code = ended.returncode
        return "" if code == 0 else f"{self._program} ended with status {code}"

    def _write(self, **changes: Any) -> None:
        self._kept.update(changes)
        fresh = self._file.with_name("cleaning.new")
        with fresh.open("w") as opened:
            opened.write(json.dumps(self._kept))
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(self._file)


def anew() -> None:
    """Become the same agent again, as it was started: nothing that it knew of its folder is left."""
    words = Path("/proc/self/cmdline").read_bytes().split(b"\0")[:-1]
    sys.stderr.flush()
    os.execv(sys.executable, words)  # noqa: S606 - the very words that we were started with


def _read(file: Path) -> dict[str, Any]:
    """What was written; a file that is damaged counts as a machine that is not clean."""
    nothing: dict[str, Any] = {"after": 0, "begun": 0, "since": ""}
    try:
        text = file.read_text()
    except FileNotFoundError:
        return nothing
    with contextlib.suppress(ValueError, KeyError, TypeError):
        kept = json.loads(text)
        return {"after": int(kept["after"]), "begun": int(kept["begun"]), "since": str(kept["since"])}
    return {**nothing, "after": 1, "begun": 1}


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
