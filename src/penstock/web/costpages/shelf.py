"""Documents that pages show are kept for a moment: a page must not add up a year for each of its readers."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

Document = dict[str, Any]
Make = Callable[[], Document]
FRESH_S = 10.0
PATIENCE_S = 0.08
"""How long one page waits in all for documents that are made anew; then it shows those before, with the time they are of."""
OLD_S, OLD_PATIENCE_S = 300.0, 1.0
"""What nobody has looked at for so long is waited for longer: it may be of this morning."""
KEPT = 200


class Shelf:
    """Documents by name. Any number of threads may ask; what is made anew is made in one thread, one after the other."""

    def __init__(self, fresh_s: float = FRESH_S, patience_s: float = PATIENCE_S) -> None:
        self._fresh_s, self._patience_s = fresh_s, patience_s
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Document]] = {}
        self._making: dict[str, Future[Document]] = {}
        self._maker = ThreadPoolExecutor(1, "costs")

    def visit(self) -> "Visit":
        """What one page asks through."""
        return Visit(self, self._patience_s)

    def known(self, name: str) -> Document | None:
        """The document as it is, however old."""
        with self._lock:
            return self._made[name][1] if name in self._made else None

    def old(self, name: str) -> bool:
        """Whether it is there and nobody has looked at it for long."""
        with self._lock:
            return name in self._made and time.monotonic() - self._made[name][0] > OLD_S

    def begun(self, name: str, make: Make) -> Future[Document] | None:
        """The making of one that is not fresh; None for one that is."""
        with self._lock:
            at = self._made.get(name)
            if at is not None and time.monotonic() - at[0] <= self._fresh_s:
                return None
            if name not in self._making:
                self._making[name] = self._maker.submit(self._make, name, make)
            return self._making[name]

    def _make(self, name: str, make: Make) -> Document:
        try:
            made = make()
            with self._lock:
                self._made.pop(name, None)
                self._made[name] = (time.monotonic(), made)
                while len(self._made) > KEPT:
                    del self._made[next(iter(self._made))]
            return made
        finally:
            with self._lock:
                self._making.pop(name, None)


class Visit:
    """One page's way to the shelf. It waits for what nobody has made yet, and for all the rest together a moment."""

    def __init__(self, shelf: Shelf, patience_s: float) -> None:
        self._shelf, self._begun_s, self._patience_s = shelf, time.monotonic(), patience_s

    def get(self, name: str, make: Make) -> Document:
        """The document: fresh where that can be in time, else the one before. The first one is waited for.

        Raises what `make` raises while there is none.
        """
        patience_s = OLD_PATIENCE_S if self._shelf.old(name) else self._patience_s
        making = self._shelf.begun(name, make)
        known = self._shelf.known(name)
        if making is None and known is not None:
            return known
        if known is None:
            return making.result() if making is not None else self.get(name, make)
        wait([making] if making is not None else [], max(0.0, self._begun_s + patience_s - time.monotonic()))
        return self._shelf.known(name) or known
