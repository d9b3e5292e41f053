"""Documents that a page shows are kept for a moment: a page must not add up a year for each reader."""

import threading
import time
from collections.abc import Callable
from typing import Any

from penstock.hub.context import NotFound
from penstock.ports import StoreError

Document = dict[str, Any]
FRESH_S = 10.0
PATIENCE_S = 0.15
"""How long a page waits for a document to be made anew; then it shows the one before, with the time it is of."""
KEPT = 200


class Shelf:
    """Documents by name. Any number of threads may ask."""

    def __init__(self, fresh_s: float = FRESH_S, patience_s: float = PATIENCE_S) -> None:
        self._fresh_s, self._patience_s = fresh_s, patience_s
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Document]] = {}
        self._making: dict[str, threading.Event] = {}

    def get(self, name: str, make: Callable[[], Document]) -> Document:
        """The document, at most `fresh_s` old, or the one before where making it takes longer than `patience_s`.

        The first one is waited for. Raises what `make` raises while there is none.
        """
        with self._lock:
            known = self._made.get(name)
            if known is not None and time.monotonic() - known[0] <= self._fresh_s:
                return known[1]
            done = self._making.get(name)
            begun = done is None
            if done is None:
                done = self._making[name] = threading.Event()
        if known is None:
            return self._first(name, make, done, begun)
        if begun:
            threading.Thread(target=self._again, args=(name, make, done), name="costs", daemon=True).start()
        done.wait(self._patience_s)
        with self._lock:
            return self._made.get(name, known)[1]

    def _first(self, name: str, make: Callable[[], Document], done: threading.Event, begun: bool) -> Document:
        """Made here, or by who began before; what that one could not do is tried again."""
        if not begun:
            done.wait()
            with self._lock:
                known = self._made.get(name)
            return known[1] if known is not None else make()
        try:
            return self._keep(name, make())
        finally:
            self._over(name, done)

    def _again(self, name: str, make: Callable[[], Document], done: threading.Event) -> None:
        try:
            self._keep(name, make())
        except (StoreError, NotFound):
            return  # a farm that closes meanwhile: what was known stays
        finally:
            self._over(name, done)

    def _keep(self, name: str, made: Document) -> Document:
        with self._lock:
            self._made.pop(name, None)
            self._made[name] = (time.monotonic(), made)
            while len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
        return made

    def _over(self, name: str, done: threading.Event) -> None:
        with self._lock:
            self._making.pop(name, None)
        done.set()
