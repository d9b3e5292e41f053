"""Ends that the hub has not answered yet: on disk before they are first sent (I2), all new ones by one write.

One file, a line for each end. What a crash cuts off was never sent; what was answered already is sent once more by the
next agent and gets the first answer again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SIZE_MAX = 1 << 20


class Finishes:
    """Any thread may add; `to_send` belongs to the thread that polls."""

    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self._path = folder / "journal"
        self._say = say
        self._lock = threading.Lock()
        self._fresh: dict[str, dict[str, Any]] = {}
        self._kept = _recall(folder)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._rewrite()
        for path in folder.glob("*.json"):
            path.unlink()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._fresh or self._kept)

    def __contains__(self, attempt: str) -> bool:
        """Whether the end of this attempt waits for its answer."""
        return attempt in self._fresh or attempt in self._kept

    def add(self, body: dict[str, Any]) -> None:
        """A new end."""
        with self._lock:
            self._fresh[body["attempt"]] = body

    def to_send(self) -> list[dict[str, Any]]:
        """All that are unanswered, every one on disk by now. A disk that fails is said; the end counts more."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            self._kept.update(fresh)
            found = list(self._kept.values())
        if fresh:
            self._append(b"".join(_line(body) for body in fresh.values()), ", ".join(fresh))
        return found

    def named(self) -> list[dict[str, Any]]:
        """How a poll or a registration names them."""
        with self._lock:
            bodies = [*self._kept.values(), *self._fresh.values()]
        return [{"attempt": b["attempt"], "fence": b["fence"], "state": "finishing"} for b in bodies]

    def forget(self, attempt: str) -> None:
        """It was answered."""
        with self._lock:
            self._kept.pop(attempt, None)
            empty = not self._kept
        try:
            if empty:
                os.ftruncate(self._handle, 0)
            elif os.fstat(self._handle).st_size > _SIZE_MAX:
                self._rewrite()
        except OSError as error:
            self._say(f"cannot shorten {self._path}: {error}")

    def _append(self, lines: bytes, names: str) -> None:
        try:
            size = os.fstat(self._handle).st_size
            if os.write(self._handle, lines) != len(lines):
                os.ftruncate(self._handle, size)
                raise OSError("the disk is full")
            os.fdatasync(self._handle)
        except OSError as error:
            self._say(f"cannot keep the end of {names}: {error}")

    def _rewrite(self) -> None:
        """The same without what was answered, all of it or nothing."""
        fresh = self._path.with_name("journal.new")
        handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with self._lock:
            os.write(handle, b"".join(_line(body) for body in self._kept.values()))
        os.fsync(handle)
        os.replace(fresh, self._path)
        os.close(self._handle)
        self._handle = handle


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _recall(folder: Path) -> dict[str, dict[str, Any]]:
    """Ends that an earlier agent could not tell; a file for each is what the release before kept."""
    found: dict[str, dict[str, Any]] = {}
    for path in [*sorted(folder.glob("*.json")), folder / "journal"]:
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                body = json.loads(line)
                found[str(body["attempt"])] = body
            except (ValueError, KeyError, TypeError):
                # Cut off in the middle: it was never sent.
                continue
    return found
