"""Keeps what is known of a namespace's pods up to date: one listing, then a watch that goes on where the last one ended.

A watch that tells nothing is begun again before it can go stale unnoticed. Where the cluster has forgotten the place to go on
from (410), everything is listed anew.
"""

import threading
import time
import weakref

from penstock.ports import NoAnswer, ProviderError
from penstock.providers.kubernetes.api import GONE, Api, Document, Left, Refused
from penstock.providers.kubernetes.known import Known
from penstock.providers.kubernetes.states import Pod, meta

SELECT = "penstock-farm"
"""Pods of any farm and pool: those of a pool that was renamed are still somebody's."""
PAGE = 500
LASTS_S = 25
"""A watch is begun again so often: until then nobody knows whether it still hears anything."""
FRESH_S = 40.0
LEAST_S, LAST_PAUSE_S = 0.25, 30.0
"""Between two tries."""


class Follower:
    """Lists on demand, watches in a thread of its own that begins with the first listing and ends with `close`, or when nobody
    holds this object any more. `seen`: the last resource version that was heard of."""

    def __init__(self, api: Api, known: Known, page: int = PAGE) -> None:
        self._api, self._known, self._page = api, known, page
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heard_s: float | None = None
        self._begun = False
        self.seen = ""

    def fresh(self) -> bool:
        """Whether what is known is what is so, but for a moment."""
        with self._lock:
            return self._heard_s is not None and time.monotonic() - self._heard_s < FRESH_S

    def list(self, left: Left) -> bool:
        """Read everything now. False where a part did not come. Raises ProviderError."""
        mark, found = self._known.mark(), list[Pod]()
        query: dict[str, str | int] = {"labelSelector": SELECT, "limit": self._page}
        while True:
            try:
                page = self._api.call("GET", "pods", left, query=query)
            except Refused as refused:
                if refused.code != GONE:
                    raise
                self.lost()
                return False
            found += _items(page)
            about = meta(page)
            if not about.get("continue"):
                break
            query = {**query, "continue": about["continue"]}
        self._known.listed(found, mark)
        self._heard(str(about.get("resourceVersion", "")))
        return True

    def follow(self) -> None:
        """Begin to watch, if that is not done yet."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        mine = weakref.ref(self)
        threading.Thread(target=_run, args=(mine, self._ended), name="kubernetes", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()

    def lost(self) -> None:
        """What is known may be old: nothing counts before the next listing."""
        with self._lock:
            self._heard_s = None

    def step(self) -> None:
        """One listing or one watch. Raises ProviderError where it did not come to its end."""
        if not self.fresh() and not self.list(Left()):
            raise NoAnswer("a part of the listing did not come")
        query = {"labelSelector": SELECT, "resourceVersion": self.seen}
        try:
            for event in self._api.watch("pods", query, LASTS_S):
                self._take(event)
                if self._ended.is_set():
                    return
        except Refused as refused:
            if refused.code == GONE:
                self.lost()
            raise

    def _take(self, event: Document) -> None:
        """One event; {} says that the watch has begun."""
        kind, about = event.get("type"), event.get("object")
        if kind == "ERROR":
            said = about if isinstance(about, dict) else {}
            raise Refused(int(said.get("code") or 500), str(said.get("reason")), str(said.get("message")))
        pod: Pod = about if isinstance(about, dict) else {}
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            self._known.changed(kind, pod)
        self._heard(str(meta(pod).get("resourceVersion", "")))

    def _heard(self, version: str) -> None:
        with self._lock:
            self._heard_s = time.monotonic()
            self.seen = version or self.seen


def _items(page: Document) -> list[Pod]:
    items = page.get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _run(mine: "weakref.ref[Follower]", ended: threading.Event) -> None:
    """Until it is ended, or nobody is there to follow for."""
    pause_s = 0.0
    while not ended.wait(pause_s):
        follower = mine()
        if follower is None:
            return
        began_s = time.monotonic()
        try:
            follower.step()
            pause_s = 0.0 if time.monotonic() - began_s > LEAST_S else LEAST_S
        except ProviderError:
            pause_s = min(LAST_PAUSE_S, max(LEAST_S, 2 * pause_s))
        except Exception:  # whatever a library raises: what is known counts no more
            follower.lost()
            pause_s = LAST_PAUSE_S
        del follower
