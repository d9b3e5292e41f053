"""What the hub needs of another system's queue, as a protocol; beside ports, whose adapters fulfil what everybody needs."""

from typing import Protocol

from penstock.model.foreign import Fate, Watched


class QueueError(Exception):
    """Another system did not answer, or not as it should: nothing is known of its queue now."""


class Queue(Protocol):
    """Another system's queue, whose jobs run on machines of ours (`[pool.serves]`). Calls take at most 5 s. All raise
    QueueError; any number of threads may call."""

    def watch(self, mark: str) -> Watched:
        """All that waits, runs and is connected now, and what has ended since the look that gave `mark` ("": none)."""
        ...

    def fate(self, request: str) -> Fate:
        """What became of one request."""
        ...

    def pause(self, agent: str, paused: bool) -> None:
        """Give this agent nothing more, in our name, or give it work again. It may be a moment until that is so."""
        ...

    def secret(self, agent: str) -> str:
        """What an agent of this name logs in with; nothing is asked for it."""
        ...
