"""All pods of a namespace as they were last heard of, and those that went a while ago.

Whoever lists and whoever watches write here; the newer word wins. What a listing does not have and was made after the listing
began is not taken for gone.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from penstock.model.rented import Instance
from penstock.providers.kubernetes.states import Pod, Seen, meta, name_of, seen, uid_of

KEPT_MS = 600_000
"""What is gone is told of for so long."""


class Names:
    """Names, as many of the last ones as need be known."""

    def __init__(self, most: int = 10_000) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """One more; the oldest goes where there are too many."""
        with self._lock:
            self._names[name] = None
            if len(self._names) > self._most:
                self._names.popitem(last=False)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class _Known(msgspec.Struct):
    """One pod. `made`: which write it came with, `since_ms`: since when it is stuck, and how."""

    pod: Pod
    seen: Seen
    made: int
    since_ms: int
    stuck: str


class Known:
    """`now`: what time it is, in milliseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._pods: dict[str, _Known] = {}
        self._gone: dict[str, tuple[int, Instance]] = {}
        self._never = Names()
        self._count = 0

    def mark(self) -> int:
        """How many writes there were: take it before a listing begins."""
        with self._lock:
            return self._count

    def listed(self, pods: Iterable[Pod], mark: int) -> None:
        """All that a listing had which was begun at `mark`; what it has not is gone."""
        found = {name_of(pod): pod for pod in pods}
        with self._lock:
            for name in [n for n, one in self._pods.items() if n not in found and one.made <= mark]:
                self._bury(name)
            for pod in found.values():
                self._write(pod)

    def made(self, pod: Pod) -> None:
        """One that was made just now; what is known of it already is newer."""
        with self._lock:
            known = self._pods.get(name_of(pod))
            if known is None or uid_of(known.pod) != uid_of(pod):
                self._write(pod)

    def changed(self, kind: str, pod: Pod) -> None:
        """An event of a watch: ADDED, MODIFIED or DELETED."""
        name = name_of(pod)
        with self._lock:
            known = self._pods.get(name)
            if kind == "DELETED":
                if known is not None and uid_of(known.pod) == uid_of(pod):
                    known.pod, known.seen = pod, seen(pod)
                    self._bury(name)
            elif kind == "ADDED" or known is None or uid_of(known.pod) == uid_of(pod):
                self._write(pod)

    def forget(self, name: str, uid: str) -> None:
        """It was never there, as far as anybody is to know; what is heard of it late changes nothing."""
        with self._lock:
            self._never.add(uid)
            self._pods.pop(name, None)
            self._gone.pop(name, None)

    def find(self, name: str) -> Seen | None:
        """A pod that is there."""
        with self._lock:
            known = self._pods.get(name)
            return known.seen if known else None

    def was(self, name: str) -> bool:
        """Whether there was such a pod, which is gone."""
        with self._lock:
            return name in self._gone

    def instances(self) -> tuple[Instance, ...]:
        """All, by name, those that are gone for a while included."""
        with self._lock:
            now_ms = self._now()
            self._gone = {n: one for n, one in self._gone.items() if now_ms - one[0] < KEPT_MS}
            found = {n: one for n, (_, one) in self._gone.items()}
            found |= {n: one.seen.instance for n, one in self._pods.items()}
        return tuple(found[name] for name in sorted(found))

    def pods(self) -> list[Pod]:
        """Those that are there, as the cluster has them."""
        with self._lock:
            return [one.pod for one in self._pods.values()]

    def stuck(self, patience_ms: int) -> list[Seen]:
        """Those that have not come up for so long, and hardly will."""
        with self._lock:
            now_ms = self._now()
            return [
                one.seen
                for one in self._pods.values()
                if one.seen.stuck and now_ms - one.since_ms >= patience_ms
            ]

    def ended(self) -> list[str]:
        """Those that ended so long ago that nobody is going to look at them any more."""
        with self._lock:
            now_ms = self._now()
            return [
                name
                for name, one in self._pods.items()
                if one.seen.instance.state == "gone" and now_ms - one.since_ms >= KEPT_MS
            ]

    def _write(self, pod: Pod) -> None:
        self._count += 1
        if uid_of(pod) in self._never:
            return
        name, fresh = name_of(pod), seen(pod)
        how = fresh.stuck or fresh.instance.state
        known = self._pods.get(name)
        since_ms = known.since_ms if known is not None and known.stuck == how else self._now()
        self._pods[name] = _Known(pod, fresh, self._count, since_ms, how)
        self._gone.pop(name, None)

    def _bury(self, name: str) -> None:
        known = self._pods.pop(name)
        last = known.seen.instance
        why = last.why or _who(known.pod)
        self._gone[name] = (self._now(), msgspec.structs.replace(last, state="gone", why=why))
        self._count += 1


def _who(pod: Pod) -> str:
    """Why a pod went that was not said to end."""
    return "the pod was deleted" if meta(pod).get("deletionTimestamp") else ""
