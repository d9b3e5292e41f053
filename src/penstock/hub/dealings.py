"""What a leader's dealings with providers come to: failed calls and orphans counted for monitoring, and how each provider stands
now, for who asks why nothing comes.

Counts are in the books like all others (model/counted.py); how providers stand is one row, written when it changes.
"""

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead
from penstock.model.counted import Counted
from penstock.model.decision import Memory
from penstock.model.states import Power
from penstock.policy.charging.counting import Key
from penstock.ports import (
    NoAnswer,
    NoCapacity,
    ProviderError,
    QuotaReached,
    Throttled,
    Tx,
    UnknownMachine,
)

ROW = "providers"
MOST_WORDS = 300
"""So many letters of what a provider said are kept."""
OPERATIONS = {
    Power.REQUESTED: "create",
    Power.RESUMING: "resume",
    Power.SUSPENDING: "suspend",
    Power.DELETING: "delete",
}
"""What a provider is called for while a machine's power is this."""
CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (NoCapacity, "capacity"),
    (QuotaReached, "quota"),
    (Throttled, "throttled"),
    (NoAnswer, "no-answer"),
    (UnknownMachine, "unknown-machine"),
    (ProviderError, "refused"),
    (Exception, "broken"),
)
"""Kinds of failures, the first that fits; "broken": whatever a library raised."""
WORDS = {
    "capacity": "no capacity",
    "quota": "quota reached",
    "throttled": "too many calls",
    "no-answer": "no answer",
}
SAYS = "; its provider says: "
"""Between why a machine was ordered and what its provider says that it waits for."""
GAPS = "incomplete"
"""The kind of a listing that says that something is missing from it."""


class Dealing(msgspec.Struct, frozen=True, kw_only=True):
    """How one pool's provider stands. `away_since_ms`: since when no listing came, in farm time, 0 = it answers; `why` not.

    Of machines that carry this farm's tag and are in no book: `second` wait to be seen a second time, `person` for a person's
    word, because they are many; `going` are being deleted. `paused_ms`: until then, in farm time, nothing is ordered there.
    `silent_since_ms`: since when too many machines say nothing (hub/holding), 0 = not so.
    """

    away_since_ms: int = 0
    why: str = ""
    second: int = 0
    person: int = 0
    going: int = 0
    paused_ms: int = 0
    silent_since_ms: int = 0


class Dealings:
    """One leader's, of all pools."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._counts: Counter[Key] = Counter()
        self._now: dict[str, Dealing] = {}
        self._strange: dict[str, set[str]] = {}
        self._told: dict[str, set[str]] = {}
        self._written: dict[str, Dealing] = {}

    def failed(self, pool: str, operation: str, problem: Exception) -> None:
        """A call came to nothing, or was not answered."""
        self._counts["error", pool, operation, kind_of(problem)] += 1

    def listed(self, pool: str, complete: bool) -> None:
        """A listing came."""
        self._turn(pool, away_since_ms=0, why="")
        if not complete:
            self._counts["error", pool, "list", GAPS] += 1

    def unlisted(self, pool: str, at_ms: int, problem: Exception) -> None:
        """No listing came, again perhaps."""
        self.failed(pool, "list", problem)
        since_ms = self._now.get(pool, Dealing()).away_since_ms or max(1, at_ms)
        self._turn(pool, away_since_ms=since_ms, why=f"{problem}"[:MOST_WORDS] or type(problem).__name__)

    def strange(self, pool: str, found: Collection[str], ripe: Collection[str], held: bool) -> None:
        """Machines that carry our tag and are in no book: all, and those that were seen twice; these are deleted, unless they
        are `held` for a person."""
        known, told = self._strange.get(pool, set()), self._told.get(pool, set())
        self._counts["orphan", pool, "found", ""] += len(set(found) - known)
        going = set() if held else set(ripe)
        self._counts["orphan", pool, "deleted", ""] += len(going - told)
        self._strange[pool], self._told[pool] = set(found), (told | going) & set(found)
        person = len(set(ripe)) if held else 0
        self._turn(pool, second=len(set(found) - set(ripe)), person=person, going=len(going))

    def paused(self, until_ms: Mapping[str, int]) -> None:
        """Until when nothing is ordered in each pool."""
        for pool, moment_ms in until_ms.items():
            if pool in self._hub.providers and self._now.get(pool, Dealing()).paused_ms != moment_ms:
                self._turn(pool, paused_ms=moment_ms)

    def silent(self, pool: str, since_ms: int) -> None:
        """Since when a pool is held because too many of its machines say nothing; 0 = it is not."""
        self._turn(pool, silent_since_ms=since_ms)

    def _turn(self, pool: str, **changes: object) -> None:
        self._now[pool] = msgspec.structs.replace(self._now.get(pool, Dealing()), **changes)

    def write(self, now_ms: int) -> None:
        """Write what is new. Raises NotLeading, Frozen."""
        counts = +self._counts
        if counts or self._now != self._written:
            now = dict(self._now)
            lead(self._hub, lambda step: _write(step, counts, now, now_ms))
            self._counts, self._written = Counter(), now


def kind_of(problem: Exception) -> str:
    """What kind of failure it is, in a word."""
    return next(word for kind, word in CLASSES if isinstance(problem, kind))


def words_of(problem: Exception) -> str:
    """What happened and what the provider said of it, for people."""
    kind = WORDS.get(kind_of(problem), "")
    return f"{kind}: {problem}" if kind else str(problem)


def explained(reason: str, why: str) -> str:
    """Why a machine comes, with what its provider says now that it waits for; "" = nothing any more."""
    reason = reason.partition(SAYS)[0]
    return f"{reason}{SAYS}{why}" if why else reason


def dealings(tx: Tx) -> dict[str, Dealing]:
    """How providers stand, by pool, as the leader last wrote it down."""
    row = tx.get(Memory, ROW)
    return msgspec.json.decode(row.content, type=dict[str, Dealing]) if row else {}


def _write(step: Step, counts: Mapping[Key, int], now: Mapping[str, Dealing], now_ms: int) -> None:
    for (what, pool, by, of), more in counts.items():
        known = step.tx.get(Counted, what, pool, by, of)
        if known is None:
            step.tx.insert(Counted(what=what, pool=pool, by=by, of=of, value=more))
        else:
            step.put(msgspec.structs.replace(known, value=known.value + more))
    row = step.tx.get(Memory, ROW)
    fresh = Memory(id=ROW, at_ms=now_ms, content=msgspec.json.encode(now))
    if row is None:
        step.tx.insert(fresh)
    elif row.content != fresh.content:
        step.put(msgspec.structs.replace(fresh, version=row.version))
