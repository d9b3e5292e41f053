"""What may take long, beside the pass that asks for it: an object store that does not answer holds up nobody.

Only for what is right at any time and any number of times, whoever leads by then: uploads get their names, or go.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
THREADS = 4
PATIENCE_S = 0.25
"""A pass waits so long for what it asks for the first time. Mostly that is enough; what comes later rings the bell."""


class Beside(Protocol):
    """Does things by name, each once at a time."""

    def results(self, work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """What came of these, as far as they are done; the others are to be asked for again. Raises what they raise."""
        ...

    def later(self, name: str, act: Callable[[], object]) -> None:
        """Do this, nobody waits for it."""
        ...

    def apart(self) -> "Beside":
        """Another one like this, for who asks for other things: what nobody asks for any more is forgotten by each alone."""
        ...


class AtOnce:
    """Everything is done where it is asked for."""

    def results(self, work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """As Beside.results: of all."""
        return {name: act() for name, act in work.items()}

    def later(self, name: str, act: Callable[[], object]) -> None:
        """As Beside.later."""
        act()

    def apart(self) -> "AtOnce":
        """As Beside.apart."""
        return self


class Threads:
    """A few threads, which end when nothing is left. `ring` is called when something is done that was waited for too
    long. One thread asks, for one service: what is done and is not asked for again is forgotten."""

    def __init__(self, ring: Callable[[], None], patience_s: float = PATIENCE_S) -> None:
        self._ring, self._patience_s = ring, patience_s
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._begun: dict[str, Future[Any]] = {}
        self._unasked: dict[str, Future[Any]] = {}
        self._running = 0

    def results(self, work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """As Beside.results."""
        self._begun = {name: one for name, one in self._begun.items() if name in work or not one.done()}
        fresh = {name: self._begin(act) for name, act in work.items() if name not in self._begun}
        self._begun |= fresh
        for late in wait(fresh.values(), self._patience_s).not_done:
            late.add_done_callback(lambda _: self._ring())
        done = [name for name in work if self._begun[name].done()]
        return {name: self._begun.pop(name).result() for name in done}

    def later(self, name: str, act: Callable[[], object]) -> None:
        """As Beside.later; what is under way under that name is not begun again."""
        self._unasked = {one: begun for one, begun in self._unasked.items() if not begun.done()}
        if name not in self._unasked:
            self._unasked[name] = self._begin(act)

    def apart(self) -> "Threads":
        """As Beside.apart, with threads of its own."""
        return Threads(self._ring, self._patience_s)

    def _begin(self, act: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, act))
            if self._running < THREADS:
                self._running += 1
                threading.Thread(target=self._run, name="beside", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                future, act = self._waiting.popleft()
            try:
                future.set_result(act())
            except Exception as wrong:  # whatever it was, it belongs to who asks
                future.set_exception(wrong)
