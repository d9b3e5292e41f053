"""Wakes those who wait: the services' loop (a thread) and agents' long polls (coroutines).

A hint, never the truth: whoever is woken looks into the store.
"""

import asyncio
import threading
from contextlib import suppress

EVERYBODY = "*"
"""The topic that wakes whoever waits: something may have been missed."""


class Bell:
    """One bell for a hub process. `wake` may be called from any thread."""

    def __init__(self) -> None:
        self._farm = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self._closed = False

    def wake(self, topic: str) -> None:
        """Wake who waits for `topic`; "farm" is the services' loop, "machine:ID" one waiting poll, "*" everybody."""
        if topic == EVERYBODY:
            self._wake_all()
            return
        if topic == "farm":
            self._farm.set()
            return
        with self._lock:
            waiting = self._waiting.pop(topic, [])
        for loop, event in waiting:
            # A loop that closes meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """From now nobody waits any more: who does is woken, and whoever listens next is woken at once."""
        with self._lock:
            self._closed = True
        self._wake_all()

    def _wake_all(self) -> None:
        with self._lock:
            topics = list(self._waiting)
        for topic in ("farm", *topics):
            self.wake(topic)

    @property
    def closed(self) -> bool:
        """Whether nobody is to wait any more: streams end then."""
        return self._closed

    def wait_farm(self, timeout_s: float) -> None:
        """Wait until somebody wakes "farm", at most `timeout_s`; called by the services' loop only."""
        self._farm.wait(timeout_s)
        self._farm.clear()

    def listen(self, topic: str) -> asyncio.Event:
        """An event of the running loop that the next `wake(topic)` sets. To be given back with `leave`."""
        event = asyncio.Event()
        with self._lock:
            if self._closed:
                event.set()
            else:
                self._waiting.setdefault(topic, []).append((asyncio.get_running_loop(), event))
        return event

    def leave(self, topic: str, event: asyncio.Event) -> None:
        """Stop listening; harmless when it was woken already."""
        with self._lock:
            left = [pair for pair in self._waiting.get(topic, []) if pair[1] is not event]
            if left:
                self._waiting[topic] = left
            else:
                self._waiting.pop(topic, None)
