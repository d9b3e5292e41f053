"""Removes uploads that nobody will publish: of attempts that were settled long ago, and of attempts that nobody knows.

What a settled attempt has made is published or refused already, so nothing is lost if this errs; it waits so that a
late sender hears of its lost right from the queue, and to outlast tickets of uploads that go past the hub.
"""

from collections.abc import Sequence

from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Attempt
from penstock.model.states import AttemptState
from penstock.ports import StoreError, Tx

OLD_MS = 2 * 3_600_000
"""By the wall clock: long beyond any ticket."""
MOST = 200
"""Removed in one pass: an object store takes its time, and the leader has more to do."""


def run_once(hub: Hub, now_ms: int) -> dict[str, int]:
    """Discard what is of no use any more. A blob store that does not answer is asked again another time."""
    try:
        # Listed before it is looked up: an attempt is known before its first upload begins.
        names = list(hub.blobs.uploads())
        useless = look(hub, lambda tx, farm: _useless(hub, (tx, farm), names)) if names else []
        for name in useless[:MOST]:
            hub.blobs.discard(name)
    except (StoreError, OSError):
        return {"pruned": 0}
    return {"pruned": min(len(useless), MOST)}


def _useless(hub: Hub, view: tuple[Tx, Farm], names: Sequence[str]) -> list[str]:
    """Names of uploads whose attempt is unknown, or settled and old."""
    tx, farm = view
    if farm.frozen:
        # A farm that was restored or copied may see uploads of its original: they are not its own to judge.
        return []
    before_ms = hub.clock.wall_ms() - OLD_MS
    gone: dict[str, bool] = {}
    for attempt in {name.partition("/")[0] for name in names}:
        gone[attempt] = _gone(tx.get(Attempt, attempt), before_ms)
    return [name for name in names if gone[name.partition("/")[0]]]


def _gone(attempt: Attempt | None, before_ms: int) -> bool:
    if attempt is None:
        return True
    settled = not attempt.live and attempt.state != AttemptState.FINISHING
    return settled and attempt.ended_ms < before_ms
