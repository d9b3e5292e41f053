"""Starts one attempt's commands, gathers what they print, and ends them with all that they left behind.

Call it from a thread that lives as long as the agent: the parent-death signal of a sandbox belongs to the thread that
started it (prctl(2)).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable

from penstock.agent.cancel import Cancel
from penstock.agent.usage import Sampler

_CHUNK = 64 * 1024
_SAMPLE_S = 0.5
_DRAIN_S = 2.0
_KILL_S = 10.0
_TOLD_MAX = 16 * 1024


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


class Start:
    """What to start. `status_pipe`: (read, write) for bubblewrap's own report; `sample`: look at /proc meanwhile."""

    def __init__(
        self,
        arguments: list[str],
        timeout_s: float,
        status_pipe: tuple[int, int] | None = None,
        sample: bool = False,
    ) -> None:
        self.arguments = arguments
        self.timeout_s = timeout_s
        self.status_pipe = status_pipe
        self.sample = sample
        self.sampler: Sampler | None = None


def run(start: Start, log: Callable[[bytes], object], cancel: Cancel) -> Ended:
    """Run to the end, the timeout or the order to stop; when it returns, nothing of it lives."""
    return _Run(start, log, cancel).run()


class _Run:
    def __init__(self, start: Start, log: Callable[[bytes], object], cancel: Cancel) -> None:
        self._start = start
        self._log = log
        self._cancel = cancel
        self._told = b""
        self._status = b""
        self._ended = Ended()
        self._dying_since: float | None = None
        self._open: set[int] = set()
        self._selector = selectors.DefaultSelector()

    def run(self) -> Ended:
        began = time.monotonic()
        status = self._start.status_pipe
        process = subprocess.Popen(
            self._start.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            pass_fds=[status[1]] if status else [],
            start_new_session=True,
            cwd="/",
        )
        self._process = process
        if self._start.sample:
            self._start.sampler = Sampler(process.pid)
        try:
            if status:
                os.close(status[1])
            self._pump(began + self._start.timeout_s)
        finally:
            self._close()
        self._ended.wall_ms = int((time.monotonic() - began) * 1000)
        return self._conclude(process.returncode)

    def _pump(self, deadline: float) -> None:
        assert self._process.stdout
        assert self._process.stderr
        self._watch(self._process.stdout.fileno(), self._log)
        self._watch(self._process.stderr.fileno(), self._hear)
        if self._start.status_pipe:
            self._watch(self._start.status_pipe[0], self._hear_status)
        self._selector.register(self._cancel.fileno(), selectors.EVENT_READ, None)
        ending = _end_descriptor(self._process.pid)
        if ending is not None:
            self._selector.register(ending, selectors.EVENT_READ, None)
        try:
            while self._process.poll() is None:
                self._look(deadline, ending is not None)
            self._drain()
        finally:
            if ending is not None:
                os.close(ending)

    def _look(self, deadline: float, told_of_end: bool) -> None:
        now = time.monotonic()
        if self._dying_since is None:
            if self._cancel.is_set():
                self._ended.stopped = True
                self._kill()
            elif now >= deadline:
                self._ended.timed_out = True
                self._kill()
        elif now - self._dying_since > _KILL_S:
            self._process.kill()
        self._read_ready(self._patience(deadline, told_of_end))
        if self._start.sampler is not None:
            self._start.sampler.look()

    def _patience(self, deadline: float, told_of_end: bool) -> float:
        until = deadline if self._dying_since is None else self._dying_since + _KILL_S
        longest = _SAMPLE_S if self._start.sampler is not None else 3600.0
        # A kernel without pidfd cannot tell of the end: look often once there is nothing to read any more.
        if not told_of_end and not self._open:
            longest = 0.05
        return max(0.001, min(longest, until - time.monotonic()))

    def _watch(self, handle: int, hear: Callable[[bytes], object]) -> None:
        os.set_blocking(handle, False)
        self._open.add(handle)
        self._selector.register(handle, selectors.EVENT_READ, hear)

    def _read_ready(self, patience: float) -> bool:
        ready = False
        for key, _ in self._selector.select(patience):
            if key.data is None:
                if key.fd == self._cancel.fileno():
                    # Stays readable: seen once is enough.
                    self._selector.unregister(key.fd)
                continue
            ready = True
            piece = os.read(key.fd, _CHUNK)
            if piece:
                key.data(piece)
            else:
                self._selector.unregister(key.fd)
                self._open.discard(key.fd)
        return ready

    def _drain(self) -> None:
        """What was printed before the end. Everything is dead, so the pipes end at once; if not, we do not wait long."""
        until = time.monotonic() + _DRAIN_S
        while self._open and time.monotonic() < until:
            self._read_ready(0.05)

    def _hear(self, piece: bytes) -> None:
        """Descriptor 2 before the script begins, 9 after: errors of the sandbox, then the numbers of the commands."""
        if len(self._told) < _TOLD_MAX:
            self._told += piece[: _TOLD_MAX - len(self._told)]

    def _hear_status(self, piece: bytes) -> None:
        if len(self._status) < _TOLD_MAX:
            self._status += piece[: _TOLD_MAX - len(self._status)]

    def _kill(self) -> None:
        """bubblewrap: kill the first process inside, which takes the whole PID namespace with it, and let bwrap end by
        itself: then nothing lives when it has ended. Plain: ask the process above, which kills all below it."""
        self._dying_since = time.monotonic()
        if not self._start.status_pipe:
            self._process.send_signal(signal.SIGTERM)
            return
        inside = self._pid_inside()
        try:
            if inside is None:
                self._process.kill()
            else:
                os.kill(inside, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _pid_inside(self) -> int | None:
        for line in self._status.splitlines():
            try:
                pid = json.loads(line).get("child-pid")
            except (ValueError, AttributeError):
                continue
            if isinstance(pid, int):
                return pid
        return None

    def _close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        if self._start.status_pipe:
            os.close(self._start.status_pipe[0])

    def _conclude(self, code: int) -> Ended:
        ended = self._ended
        ended.exit_code = 128 - code if code < 0 else code
        lines = self._told.decode("utf-8", "replace").splitlines()
        if "begin" in lines:
            steps = [
                int(line) for line in lines[lines.index("begin") + 1 :] if line.isdigit() and len(line) < 7
            ]
            ended.step = max(steps, default=1)
            ended.complete = "end" in lines
        else:
            ended.told = " ".join(" ".join(lines).split())[-500:]
        return ended


def _end_descriptor(pid: int) -> int | None:
    """Readable when the process has ended (Linux 5.3); None where the kernel cannot."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
