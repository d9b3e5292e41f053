"""What an attempt prints: on disk first, then to the hub by byte offset, so that a cut connection loses nothing.

Memory holds one chunk, whatever is printed: 200 MB in one line are 200 MB of file. Beyond a cap the rest is dropped, with
a notice as the last words.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

SIZE_MAX = 1 << 30
CHUNK = 256 * 1024
_EAGER = 64 * 1024
_GATHER_S = 0.5
Send = Callable[[int, bytes], int]
"""send(offset, bytes) -> the offset that the hub expects next."""


class Log:
    """One attempt's log file: any thread may add, one ships."""

    def __init__(self, path: Path, size_max: int = SIZE_MAX) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._size_max = size_max
        self._changed = threading.Condition()
        self._full = False
        self._closed = False
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

    def ship(self, send: Send) -> None:
        """Send everything until the log is closed and the hub has it all. `send` raises to end it."""
        offset = 0
        while self._await_more(offset):
            piece = os.pread(self._handle, CHUNK, offset)
            offset = min(send(offset, piece), self.size)

    def release(self) -> None:
        """Let go of the file."""
        os.close(self._handle)

    def _await_more(self, offset: int) -> bool:
        """Wait for bytes behind `offset`, gathering a little for half a second; False when all was sent."""
        with self._changed:
            while not self._closed and self.size == offset:
                self._changed.wait()
            if not self._closed and self.size - offset < _EAGER:
                self._changed.wait_for(lambda: self._closed or self.size - offset >= _EAGER, _GATHER_S)
            return self.size > offset

    def _append(self, piece: bytes) -> None:
        try:
            while piece:
                written = os.write(self._handle, piece)
                self.size += written
                piece = piece[written:]
        except OSError:
            # A full disk: the attempt will tell by itself; its output must not stop because nobody takes it.
            self._full = True
