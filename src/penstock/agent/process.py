"""Runs one attempt's commands through the slot's keeper, gathers what they print, and ends them with all they left.

A keeper belongs to the thread that started it and is started again when it is gone: see keeper.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.agent import keeper
from penstock.agent.cancel import Cancel
from penstock.agent.usage import Sampler

_CHUNK = 64 * 1024
_SAMPLE_S = 0.5
_DRAIN_S = 2.0
_FIRST_S = 0.1
_KILL_S = 30.0
_TOLD_MAX = 16 * 1024
_ABOVE = "penstock.agent.keeper"
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Gone(OSError):
    """The keeper ended, or could not be started."""


class Ended:
    """How it ended. `step` counts commands from 1; 0: none began, then `told` is what the sandbox said."""

    def __init__(self) -> None:
        self.exit_code = 0
        self.step = 0
        self.complete = False
        self.told = ""
        self.timed_out = False
        self.stopped = False
        self.wall_ms = 0
        self.cpu_ms: int | None = None
        self.memory_peak_mb: int | None = None


class Start:
    """What to start. `plain`: {"folder", "owner"} for an ordinary process, None for bubblewrap.

    `joins`, `leaves`: files of control groups to enter, and to go back to; `sample`: look at /proc meanwhile. `handles`:
    what it gets as descriptors 3, 4, ...
    """

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str] | None = None,
        timeout_s: float = 1800.0,
        plain: dict[str, Any] | None = None,
        groups: tuple[list[str], list[str]] = ([], []),
    ) -> None:
        self.timeout_s = timeout_s
        self.sample = not groups[0]
        self.handles: list[int] = []
        self.order = {
            "arguments": arguments,
            "environment": _ENVIRONMENT if environment is None else environment,
            "joins": groups[0],
            "leaves": groups[1],
            **(plain or {}),
        }


class Keeper:
    """The agent's side of one keeper, for bubblewrap or for ordinary processes.

    `place`: (real folder, where attempts see it), or None.
    """

    def __init__(self, package: str, plain: bool = False, place: tuple[str, str] | None = None) -> None:
        self._package = package
        self._plain = plain
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    @property
    def pid(self) -> int:
        """Of the process; 0 when there is none."""
        return self._process.pid if self._process else 0

    @property
    def package(self) -> str:
        """Where our code is."""
        return self._package

    def fileno(self) -> int:
        """Readable when an order has ended, or the keeper has."""
        assert self._channel
        return self._channel.fileno()

    def begin(self, order: dict[str, Any], handles: list[int]) -> None:
        """Start an order with these descriptors as 1, 2, ... Raises Gone."""
        data = json.dumps(order).encode()
        whole = keeper.START + len(data).to_bytes(4, "big") + data
        for _ in range(2):
            try:
                channel = self._channel or self._open()
                sent = socket.send_fds(channel, [whole], handles)
                channel.sendall(whole[sent:])
                return
            except OSError as error:
                problem = error
                self.close()
        raise Gone(problem.errno or 0, f"the process above attempts cannot be started: {problem}")

    def kill(self) -> None:
        """End the order that runs, with all that it left."""
        try:
            if self._channel:
                self._channel.sendall(keeper.KILL)
        except OSError:
            self.close()

    def answer(self) -> dict[str, Any]:
        """How the order ended. Raises Gone."""
        assert self._channel
        try:
            head = _exactly(self._channel, 4, _TOLD_MAX)
            size = int.from_bytes(head[:4], "big")
            done: dict[str, Any] = json.loads(head[4:] + _exactly(self._channel, size - len(head) + 4))
        except OSError:
            self.close()
            raise Gone(0, "the process above this attempt was killed") from None
        if done.get("stuck"):
            self.close()
        return done

    def close(self) -> None:
        """End the keeper and all below it."""
        channel, process = self._channel, self._process
        self._channel = self._process = None
        if channel:
            channel.close()
        if process:
            try:
                process.wait(_KILL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            said = json.dumps({"channel": theirs.fileno(), "place": self._place, "plain": self._plain})
            start = f"import sys; sys.path.insert(0, {self._package!r}); from {_ABOVE} import main; main(sys.argv[1])"
            self._process = subprocess.Popen(
                [sys.executable or "/usr/bin/python3", "-S", "-E", "-c", start, said],
                stdin=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )
        self._channel = ours
        return ours


def package(folder: Path) -> str:
    """The folder that holds this code, for keepers to find; a zip file is copied to `folder` first.

    A keeper may be started when the file that the agent came from is long replaced by a newer one.
    """
    found = Path(__file__).resolve().parents[2]
    if found.is_dir():
        return str(found)
    copied = folder / "agent.pyz"
    fresh = folder / "agent.pyz.new"
    shutil.copyfile(found, fresh)
    os.replace(fresh, copied)
    return str(copied)


def own_digest() -> str:
    """ "sha256:<hex>" of the one file that this agent runs from; "" where it is no file."""
    found = Path(__file__).resolve().parents[2]
    return "" if found.is_dir() else "sha256:" + hashlib.sha256(found.read_bytes()).hexdigest()


def own_places(code: str, folder: Path) -> bool:
    """Whether this machine lets a process of ours see a folder at a path of its own."""
    real, seen = folder / "seen", folder / "place"
    for path in (real, seen):
        path.mkdir(exist_ok=True)
    above = Keeper(code, True, (str(real), str(seen)))
    pipes = [os.pipe(), os.pipe()]
    try:
        start = Start(["/bin/sh", "-c", ":"], {}, plain={"folder": "/", "owner": None})
        above.begin(start.order, [write for _, write in pipes])
        return bool(above.answer()["status"] == 0)
    except OSError:
        return False
    finally:
        for handle in (handle for pipe in pipes for handle in pipe):
            os.close(handle)
        above.close()


def run(
    above: Keeper,
    start: Start,
    log: Callable[[bytes], object],
    cancel: Cancel,
    look: Callable[[], float] = lambda: 3600.0,
) -> Ended:
    """Run to the end, the timeout or the order to stop; when it returns, nothing of it lives.

    `look` is called now and then, at the latest after the seconds that it returned. Raises Gone.
    """
    return _Run(above, start, log, cancel, look).run()


class _Run:
    def __init__(
        self,
        above: Keeper,
        start: Start,
        log: Callable[[bytes], object],
        cancel: Cancel,
        look: Callable[[], float],
    ) -> None:
        self._above = above
        self._start = start
        self._log = log
        self._cancel = cancel
        self._attend = look
        self._told = b""
        self._ended = Ended()
        self._hears: dict[int, Callable[[bytes], object]] = {}
        self._poll = select.poll()
        self._sampler: Sampler | None = None

    def run(self) -> Ended:
        began = time.monotonic()
        pipes = [os.pipe(), os.pipe()]
        try:
            try:
                self._above.begin(self._start.order, [*(write for _, write in pipes), *self._start.handles])
            finally:
                for _, write in pipes:
                    os.close(write)
            for (read, _), hear in zip(pipes, (self._log, self._hear)):
                os.set_blocking(read, False)
                self._hears[read] = hear
            done = self._pump(began)
        finally:
            for read, _ in pipes:
                os.close(read)
        self._ended.wall_ms = int((time.monotonic() - began) * 1000)
        return self._conclude(done)

    def _pump(self, began: float) -> dict[str, Any]:
        deadline, sample = began + self._start.timeout_s, began + _SAMPLE_S
        answer = self._above.fileno()
        self._poll.register(answer, select.POLLIN)
        self._poll.register(self._cancel.fileno(), select.POLLIN)
        # What ends at once is read as a whole then: each look at it costs as much as starting a program.
        ready = self._read_ready(min(_FIRST_S, self._start.timeout_s))
        for handle in () if answer in ready else self._hears:
            self._poll.register(handle, select.POLLIN)
        while answer not in ready:
            now = time.monotonic()
            if not (self._ended.stopped or self._ended.timed_out):
                self._end_at(now, deadline)
                patience = min(self._attend(), deadline - now)
            else:
                patience = _KILL_S
            if self._start.sample:
                if now >= sample:
                    self._sample()
                    sample = now + _SAMPLE_S
                patience = min(patience, sample - now)
            ready = self._read_ready(patience)
        done = self._above.answer()
        self._drain()
        return done

    def _end_at(self, now: float, deadline: float) -> None:
        """Give the order to end, if it is time."""
        self._ended.stopped = self._cancel.is_set()
        self._ended.timed_out = now >= deadline and not self._ended.stopped
        if self._ended.stopped or self._ended.timed_out:
            self._sample()
            self._above.kill()

    def _sample(self) -> None:
        if self._start.sample:
            self._sampler = self._sampler or Sampler(self._above.pid)
            self._sampler.look()

    def _read_ready(self, patience: float) -> list[int]:
        ready = []
        for handle, _ in self._poll.poll(max(1, int(patience * 1000) + 1)):
            hear = self._hears.get(handle)
            if hear is None:
                ready.append(handle)
                if handle == self._cancel.fileno():
                    # Stays readable: seen once is enough.
                    self._poll.unregister(handle)
                continue
            self._take(handle, hear)
        return ready

    def _take(self, handle: int, hear: Callable[[bytes], object]) -> None:
        """Read once."""
        piece = _read(handle)
        if piece:
            hear(piece)
        elif piece is not None:
            self._poll.unregister(handle)
            del self._hears[handle]

    def _drain(self) -> None:
        """What was printed before the end. All writers are dead, so what is there now is all."""
        until = time.monotonic() + _DRAIN_S
        for handle, hear in self._hears.items():
            while time.monotonic() < until and (piece := _read(handle)):
                hear(piece)

    def _hear(self, piece: bytes) -> None:
        """Descriptor 2 before the script begins, 9 after: errors of the sandbox, then the numbers of the commands."""
        if len(self._told) < _TOLD_MAX:
            self._told += piece[: _TOLD_MAX - len(self._told)]

    def _conclude(self, done: dict[str, Any]) -> Ended:
        ended = self._ended
        ended.exit_code = done["status"]
        ended.cpu_ms = done.get("cpu_ms")
        peaks = [-(-done.get("largest_kb", 0) // 1024)]
        peaks += [self._sampler.memory_peak_mb() or 0] if self._sampler else []
        ended.memory_peak_mb = max(peaks) or None
        lines = self._told.decode("utf-8", "replace").splitlines()
        if "begin" in lines:
            steps = [
                int(line) for line in lines[lines.index("begin") + 1 :] if line.isdigit() and len(line) < 7
            ]
            ended.step = max(steps, default=1)
            ended.complete = "end" in lines
        else:
            ended.told = " ".join([done.get("problem", ""), *" ".join(lines).split()]).strip()[-500:]
        return ended


def _read(handle: int) -> bytes | None:
    """What is there; b"" at the end, None where nothing is there yet."""
    try:
        return os.read(handle, _CHUNK)
    except BlockingIOError:
        return None


def _exactly(channel: socket.socket, size: int, most: int = 0) -> bytes:
    """So many bytes, or up to `most` if they are there."""
    data = b""
    while len(data) < size:
        piece = channel.recv(max(size, most) - len(data))
        if not piece:
            raise ConnectionResetError("ended")
        data += piece
    return data
