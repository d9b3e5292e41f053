"""A stop order that a thread can wait for and a selector can watch."""

from __future__ import annotations

import os
import threading


class Stopped(Exception):
    """The attempt is to end now; `result` and `reason` as in the finish message."""


class Cancel:
    """Set once; the first reason stands."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._read = self._write = -1
        self.result = ""
        self.reason = ""

    def set(self, result: str, reason: str) -> None:
        """Order the end. `result`: "cancelled", "preempted", or "" where nothing is to be reported."""
        with self._lock:
            if self._event.is_set():
                return
            self.result, self.reason = result, reason
            self._event.set()
            if self._write >= 0:
                os.write(self._write, b"x")

    def is_set(self) -> bool:
        """Whether the end was ordered."""
        return self._event.is_set()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the order at most so long; True when it came."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raises Stopped after the order."""
        if self._event.is_set():
            raise Stopped(self.reason)

    def fileno(self) -> int:
        """Readable after the order; made when it is first asked for."""
        with self._lock:
            if self._read < 0:
                self._read, self._write = os.pipe()
                if self._event.is_set():
                    os.write(self._write, b"x")
            return self._read

    def close(self) -> None:
        """Let go of the descriptors."""
        with self._lock:
            for handle in (self._read, self._write):
                if handle >= 0:
                    os.close(handle)
            self._read = self._write = -1
