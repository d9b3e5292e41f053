"""What every service and every call is given, and how they refuse."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.model.rules import Rules
from penstock.ports import BlobStore, Clock, Entropy, Notifier, Provider, Store
from penstock.queueport import Queue

Known = tuple[tuple[int, ...], frozenset[str], int]
"""At which farm time and position of the outbox a pool was read, which of its machines failed lately, how many it has."""


@dataclass(frozen=True)
class Hub:
    """One hub process: the world behind ports, and the rules of the farm.

    `epoch`: the leader's epoch under which this process decides; None where it only serves agents and people.
    `providers`: who gives the machines of a pool, by pool; those of other pools come by themselves. `queues`: those of
    other systems that pools serve, by the address that `[pool.serves]` has. `failing`: who fails in which pool, as it was read a moment ago (hub/failing).
    """

    store: Store
    blobs: BlobStore
    clock: Clock
    entropy: Entropy
    rules: Rules
    wake: Notifier
    epoch: int | None = None
    providers: Mapping[str, Provider] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    failing: dict[str, Known] = field(default_factory=dict)


class Refused(Exception):
    """The caller has no right to this any more, or what it asks contradicts what is known (HTTP 409).

    `stop`: an agent must stop the attempt that it spoke of and upload nothing more.
    """

    def __init__(self, reason: str, stop: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stop = stop


class NotFound(Exception):
    """There is nothing with that id (HTTP 404)."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} {name!r} does not exist")


class Unauthorized(Exception):
    """The token is unknown, used up, expired or revoked (HTTP 401)."""


class Moved(Exception):
    """The farm is served at `address` from now on; nothing is accepted here (HTTP 503, for agents that are known)."""

    def __init__(self, address: str) -> None:
        super().__init__(f"the farm has moved to {address}")
        self.address = address


class NotLeading(Exception):
    """Another process decides now: this one must change nothing."""


class Frozen(Exception):
    """The farm was frozen while something was decided on it: that is not done."""
