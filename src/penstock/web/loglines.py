"""Lines of a log by their number, however long it is: where lines begin is remembered every 64 KiB.

Logs only grow, so what was counted stays true; a log that is shorter than it was is counted anew.
"""

import bisect
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from penstock.ports import LogStore

STEP_BYTES = 1 << 16
READ_BYTES = 1 << 20
WINDOW_BYTES = 1 << 18
"""What is read for one page at most; longer lines are shown in part."""
REMEMBERED = 256
"""Logs whose counts are kept."""


class Window(NamedTuple):
    """Lines `first`, `first` + 1, ... of a log, numbered from 1. `more`: there are others behind them.

    `cut`: the last one is longer than what was read of it. `open`: it has no end yet, more may come.
    """

    first: int
    lines: list[bytes]
    more: bool
    cut: bool
    open: bool


class _Counted:
    """One log: how many line ends there are before each step, as far as it was read."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.ends = [0]
        self.size = 0
        self.total = 0


class LogLines:
    """The logs of a store by line. Any number of threads may ask."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Counted] = OrderedDict()

    def count(self, attempt: str) -> int:
        """How many lines there are; one without an end counts."""
        counted = self._counted(attempt)
        return counted.total + int(self._last_is_open(attempt, counted))

    def size(self, attempt: str) -> int:
        """Bytes of the log, as far as they were counted."""
        return self._counted(attempt).size

    def tail(self, attempt: str, most: int) -> Window:
        """The last `most` lines, or as many of them as can be shown."""
        counted = self._counted(attempt)
        start = max(0, counted.size - WINDOW_BYTES)
        data = self._logs.read(attempt, start, counted.size - start)
        before = counted.total - data.count(b"\n")
        if start and self._logs.read(attempt, start - 1, 1) != b"\n" and b"\n" in data:
            data, before = data.partition(b"\n")[2], before + 1
        lines = data.split(b"\n")
        is_open = bool(lines.pop()) if lines[-1] == b"" else True
        left_out = max(0, len(lines) - most)
        return Window(before + left_out + 1, lines[left_out:], False, False, is_open)

    def window(self, attempt: str, first: int, most: int) -> Window:
        """Up to `most` lines from number `first` on; none behind the end."""
        counted = self._counted(attempt)
        offset = self._offset_of(attempt, counted, first)
        if offset is None:
            return Window(first, [], False, False, False)
        data = self._logs.read(attempt, offset, min(WINDOW_BYTES, counted.size - offset))
        at_end = offset + len(data) >= counted.size
        lines = data.split(b"\n", most)
        rest = lines.pop()
        if len(lines) == most:
            return Window(first, lines, bool(rest) or not at_end, False, False)
        if at_end:
            return Window(first, lines + ([rest] if rest else []), False, False, bool(rest))
        return Window(first, lines or [rest], True, not lines, False)

    def _last_is_open(self, attempt: str, counted: _Counted) -> bool:
        return counted.size > 0 and self._logs.read(attempt, counted.size - 1, 1) != b"\n"

    def _counted(self, attempt: str) -> _Counted:
        """The log's counts, brought up to what is there now."""
        with self._lock:
            counted = self._known.pop(attempt, None) or _Counted()
            self._known[attempt] = counted
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        # A log that is long, or in a store that is away, holds up its own readers only.
        with counted.lock:
            size = self._logs.size(attempt)
            if size < counted.size:
                counted.forget()
            for piece in self._pieces(attempt, counted.size, size):
                _add(counted, piece)
        return counted

    def _pieces(self, attempt: str, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            piece = self._logs.read(attempt, start, min(READ_BYTES, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def _offset_of(self, attempt: str, counted: _Counted, number: int) -> int | None:
        """Where line `number` begins; None when there is none."""
        wanted = number - 1
        if wanted == 0:
            return 0 if counted.size else None
        if wanted > counted.total:
            return None
        step = bisect.bisect_left(counted.ends, wanted) - 1
        seen, offset = counted.ends[step], step * STEP_BYTES
        data = self._logs.read(attempt, offset, STEP_BYTES)
        at = -1
        for _ in range(wanted - seen):
            at = data.index(b"\n", at + 1)
        found = offset + at + 1
        return found if found < counted.size else None


def _add(counted: _Counted, piece: bytes) -> None:
    """Count the line ends of what comes next; `ends[i]` are those before byte i * STEP_BYTES."""
    at = 0
    while at < len(piece):
        room = STEP_BYTES - counted.size % STEP_BYTES
        part = piece[at : at + room]
        counted.total += part.count(b"\n")
        counted.size += len(part)
        at += len(part)
        if counted.size % STEP_BYTES == 0:
            counted.ends.append(counted.total)
