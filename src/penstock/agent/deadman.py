"""Powers a rented machine off when no hub has renewed it for long: whoever forgot it pays no longer than that.

The guard is a process of its own, so that it outlives an agent that is killed or hangs. The agent counts in a small file each
time that a hub answers; the guard reads it. One guard for each folder: an agent that is started again takes over the one that is
there. Removing the file calls it off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

_LOOKS = 20
"""So often the guard looks in the time that it waits for, and so often the agent counts at most."""
_LONGEST_S = 30.0
_AGAIN_S = 60.0
_COMMANDS = (("systemctl", "poweroff"), ("poweroff",), ("shutdown", "-h", "now"))
Command = list[str]


def power_off_command(named: str | None) -> Command | None:
    """What powers this machine off: the program that was named, else what is there; None where nothing is."""
    if named:
        return [named]
    for program, *rest in _COMMANDS:
        found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found:
            return [found, *rest]
    return None


class DeadMan:
    """The agent's side. `limit_s`: how long without a word of a hub. Call it before threads are started: it forks."""

    def __init__(self, folder: Path, limit_s: float, command: Command) -> None:
        self._file = folder / "dead-man"
        self._limit_s = limit_s
        self._count = 0
        self._counted_s = 0.0
        self._write()
        _guard(folder, command)

    def renewed(self) -> None:
        """A hub has answered."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= min(_LONGEST_S, self._limit_s / _LOOKS):
            self._write()

    def _write(self) -> None:
        self._count += 1
        self._counted_s = time.monotonic()
        new = self._file.with_name("dead-man.new")
        new.write_text(f"{self._limit_s} {os.getpid()} {self._count}\n")
        new.replace(self._file)


def call_off(folder: Path) -> None:
    """No guard is wanted here any more: one that is there ends."""
    with contextlib.suppress(FileNotFoundError):
        (folder / "dead-man").unlink()


class Watch:
    """What the guard makes of what it reads. Time is of a clock that stands still while the machine sleeps."""

    def __init__(self, now_s: float) -> None:
        self._text = ""
        self._since_s = now_s

    def look(self, text: str, now_s: float) -> tuple[bool, float]:
        """(time is up, when to look again in seconds). A text that says no time counts as the one before."""
        if text != self._text:
            self._text, self._since_s = text, now_s
        try:
            limit_s = float(text.split()[0])
        except (ValueError, IndexError):
            return False, _LONGEST_S
        left_s = self._since_s + limit_s - now_s
        return left_s <= 0, max(0.01, min(left_s, limit_s / _LOOKS, _LONGEST_S))


def stand_by(folder: Path, command: Command) -> None:
    """Have the guard there before anybody knows for how long it will wait: it waits for that."""
    (folder / "dead-man").write_text("")
    _guard(folder, command)


def _guard(folder: Path, command: Command) -> None:
    """Start the guard, a child of nobody's, unless one is there."""
    file, lock = folder / "dead-man", folder / "dead-man.lock"
    if _held(lock):
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.fork() == 0:
            os.chdir("/")
            _stand(file, lock, command)
    finally:
        os._exit(0)


def _held(lock: Path) -> bool:
    """Whether a guard is there."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _stand(file: Path, lock: Path, command: Command) -> None:
    # Nothing of the agent's is kept open, its lock on the folder least of all.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    watch = Watch(time.monotonic())
    while True:
        try:
            text = file.read_text()
        except FileNotFoundError:
            return
        except OSError:
            text = ""
        up, wait_s = watch.look(text, time.monotonic())
        if up:
            _power_off(command)
            wait_s = _AGAIN_S
        time.sleep(wait_s)


def power_off(command: Command | None, say: Callable[[str], None]) -> bool:
    """Power this machine off, as its hub has told it; None: it may not. False where it stays on, and why is said."""
    if command is None:
        say("not powered off: this agent was started without --power-off-when-told")
        return False
    say("the hub wants it: this machine powers off")
    try:
        status = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    except OSError as error:
        say(f"not powered off: {command[0]}: {error.strerror}")
        return False
    if status:
        say(f"not powered off: {command[0]} ended with status {status}")
    return status == 0


def _power_off(command: Command) -> None:
    print("penstock agent: no hub has answered for too long: this machine powers off", file=sys.stderr)
    with contextlib.suppress(OSError):
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
