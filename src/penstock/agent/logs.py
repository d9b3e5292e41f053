"""What an attempt prints: kept, then sent to the hub by byte offset, so that a cut connection loses nothing.

Little stays in memory and goes with the finish message. More goes to a file first: memory holds one chunk, whatever is
printed: 200 MB in one line are 200 MB of file. Beyond a cap the rest is dropped, with a notice as the last words.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

SIZE_MAX = 1 << 30
CHUNK = 256 * 1024
EARLY = 16 * 1024
"""So much is kept in memory, and may go with a finish."""
_EAGER = 64 * 1024
_GATHER_S = 0.5
Send = Callable[[int, bytes], int]
"""send(offset, bytes) -> the offset that the hub expects next."""


class Log:
    """One attempt's log: any thread may add, one ships."""

    def __init__(self, path: Path, size_max: int = SIZE_MAX) -> None:
        self._path = path
        self._handle: int | None = None
        self._early = b""
        self._size_max = size_max
        self._changed = threading.Condition()
        self._full = False
        self._closed = False
        self._first_s = 0.0
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Append bytes; beyond the cap they are dropped."""
        with self._changed:
            if self._full or self._closed:
                return
            room = self._size_max - self.size
            if len(piece) > room:
                self._full = True
                piece = piece[:room] + b"\npenstock: the log was cut here, at %d bytes\n" % self._size_max
            self._append(piece)
            self._changed.notify_all()

    def say(self, text: str) -> None:
        """A line of ours, even behind the cap: the reason of an end must not be lost."""
        with self._changed:
            if not self._closed:
                self._append(f"penstock: {text}\n".encode("utf-8", "replace"))
                self._changed.notify_all()

    def close(self) -> None:
        """Nothing follows."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def due_s(self) -> float:
        """Seconds until somebody should ship what is there; infinite while there is nothing."""
        with self._changed:
            if not self.size:
                return float("inf")
            return 0.0 if self._handle is not None else self._first_s + _GATHER_S - time.monotonic()

    def whole(self) -> bytes | None:
        """All of it, if it is short and was never shipped."""
        with self._changed:
            return self._early if self._handle is None else None

    def tail(self, size: int) -> bytes:
        """The last bytes of it."""
        with self._changed:
            if self._handle is None:
                return self._early[-size:]
            return os.pread(self._handle, size, max(0, self.size - size))

    def ship(self, send: Send) -> None:
        """Send everything until the log is closed and the hub has it all. `send` raises to end it."""
        offset = 0
        with self._changed:
            self._spill()
        while self._await_more(offset):
            assert self._handle is not None
            piece = os.pread(self._handle, CHUNK, offset)
            offset = min(send(offset, piece), self.size)

    def release(self) -> None:
        """Let go of the file and remove it."""
        if self._handle is not None:
            os.close(self._handle)
            self._path.unlink()

    def _await_more(self, offset: int) -> bool:
        """Wait for bytes behind `offset`, gathering a little for half a second; False when all was sent."""
        with self._changed:
            while not self._closed and self.size == offset:
                self._changed.wait()
            if not self._closed and self.size - offset < _EAGER:
                self._changed.wait_for(lambda: self._closed or self.size - offset >= _EAGER, _GATHER_S)
            return self.size > offset

    def _append(self, piece: bytes) -> None:
        if self._handle is None:
            self._first_s = self._first_s or time.monotonic()
            if self.size + len(piece) <= EARLY:
                self._early += piece
                self.size += len(piece)
                return
            self._spill()
        self._write(piece)

    def _spill(self) -> None:
        if self._handle is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._handle = os.open(self._path, flags, 0o600)
            early, self._early, self.size = self._early, b"", 0
            self._write(early)

    def _write(self, piece: bytes) -> None:
        assert self._handle is not None
        try:
            while piece:
                written = os.write(self._handle, piece)
                self.size += written
                piece = piece[written:]
        except OSError:
            # A full disk: the attempt will tell by itself; its output must not stop because nobody takes it.
            self._full = True
