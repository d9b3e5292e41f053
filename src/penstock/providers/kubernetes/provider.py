"""One pool's pods as machines. A pod is named after its order's token, so an order that is repeated finds it.

A pod is made first, then the secret that it waits for, which belongs to it: whatever dies in between, the cluster removes the
secret when the pod goes. What had a name and is gone is remembered here and not made again; after a restart nobody asks
for it, because the hub repeats an order only while it has the secret of it in memory.
"""

import contextlib
import time
import urllib.parse
from collections.abc import Callable, Mapping

from penstock.model.rented import TAG_FARM, TAG_INCARNATION, TAG_POOL, Listing, Notice, Offer, Order
from penstock.model.rules import Pool
from penstock.ports import NoAnswer, NoCapacity, ProviderError, UnknownMachine
from penstock.providers.kubernetes import pods
from penstock.providers.kubernetes.api import BAD_REQUEST, CONFLICT, NOT_FOUND, Api, Left, Refused
from penstock.providers.kubernetes.follower import PAGE, Follower
from penstock.providers.kubernetes.known import Known, Names
from penstock.providers.kubernetes.states import Pod, notice, placed, seen, tags, uid_of

ROOM_S, FIRST_LOOK_S = 2.0, 0.02
"""A scheduler says within milliseconds whether there is room; so long it is waited for."""
STUCK_LEAST_MS = 30_000
PRINTED_LINES, PRINTED_BYTES = 500, 1 << 16


class Provider:
    """As ports.Provider. `now`: what time it is, in milliseconds; `page`: pods in one part of a listing."""

    follows = True
    """What `list` tells is heard as it happens: it costs the cluster nothing to be asked often."""

    def __init__(self, pool: Pool, now: Callable[[], int], page: int = PAGE) -> None:
        self._pool, self._now = pool, now
        self._about = pods.about(pool)
        self._api = Api(self._about)
        self._known = Known(now)
        self.follower = Follower(self._api, self._known, page)
        self._done, self._given_back = Names(), Names()
        self._farms: set[tuple[str | None, str | None]] = set()

    def offers(self) -> tuple[Offer, ...]:
        """As ports.Provider: one, named like the pool. What the namespace's quota leaves is not known."""
        pool = self._pool
        left = None if pool.max is None else max(0, pool.max - self._count())
        offer = Offer(
            name=pool.name,
            price_per_hour_micros=pool.price_per_hour_micros,
            boot=pool.boot,
            quota_left=left,
            reclaimed=pool.reclaim_per_hour > 0,
        )
        return (offer,)

    def create(self, order: Order) -> str:
        """As ports.Provider. A cluster that is full says so by the pods that wait there already, or by this one."""
        name = pods.name(self._pool, order.token)
        if name in self._done or self._known.was(name):
            return name
        self._refuse_stuck()
        self._farms.add(_farm(order.tags))
        left = Left()
        pod = self._made(name, order, left)
        if pod is not None and seen(pod).instance.state in ("coming", "up"):
            self._known.made(pod)
            self._find_room(name, pod, left)
            self._give_secret(name, pod, order.secret, left)
        self._done.add(name)
        return name

    def resume(self, id_: str) -> None:
        """As ports.Provider: a pod is never stopped, so it is coming or up, or going."""
        self._find(id_)

    def suspend(self, id_: str) -> None:
        """Raises ProviderError: pods cannot."""
        self._find(id_)
        raise ProviderError("a pod cannot be suspended: leave resume_s out of its pool")

    def delete(self, id_: str) -> None:
        """As ports.Provider. The agent is told to end, what it runs has the pool's grace."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": max(1, self._about.grace_ms // 1000),
        }
        self._given_back.add(id_)
        try:
            self._api.call("DELETE", f"pods/{_path(id_)}", Left(), options)
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise
            if not (self._known.was(id_) or self._known.find(id_) or id_ in self._done):
                raise UnknownMachine(f"{self._pool.name} has no pod {id_}") from refused

    def list(self) -> Listing:
        """As ports.Provider: pods of all pools in the namespace. Mostly from what was heard; the cluster is asked where that
        may be old."""
        left = Left()
        complete = self.follower.fresh() or self.follower.list(left)
        self.follower.follow()
        self._sweep(left)
        return Listing(instances=self._known.instances(), complete=complete)

    def notices(self) -> tuple[Notice, ...]:
        """As ports.Provider: pods that somebody else deletes or displaces, and those whose deadline is near."""
        now_ms = self._now()
        found = (notice(pod, now_ms) for pod in self._known.pods())
        return tuple(one for one in found if one is not None and one.id not in self._given_back)

    def console(self, id_: str) -> str:
        """As ports.Provider: what its agent printed; "" before it runs."""
        asked = {"tailLines": PRINTED_LINES, "limitBytes": PRINTED_BYTES}
        try:
            return self._api.text(f"pods/{_path(id_)}/log", Left(), asked)[-PRINTED_BYTES:]
        except Refused as refused:
            if refused.code == BAD_REQUEST:  # its container waits to start
                return ""
            if refused.code != NOT_FOUND:
                raise
            if self._known.was(id_):
                return ""
            raise UnknownMachine(f"{self._pool.name} has no pod {id_}") from refused

    def close(self) -> None:
        """Hear no more."""
        self.follower.close()

    def _refuse_stuck(self) -> None:
        """Where pods wait in vain, one more would, too. Those of other pools may ask for other machines."""
        for one in self._known.stuck(max(STUCK_LEAST_MS, self._pool.boot.p95_ms)):
            if one.instance.tags.get(TAG_POOL) != self._pool.name:
                continue
            if one.stuck == "full":
                raise NoCapacity(one.instance.why)
            raise ProviderError(f"{one.instance.id} cannot start: {one.instance.why}")

    def _made(self, name: str, order: Order, left: Left) -> Pod | None:
        """The pod, made now or by a call before that was not answered; None where it is gone again."""
        try:
            return self._api.call("POST", "pods", left, pods.pod(self._pool, order))
        except Refused as refused:
            if refused.code != CONFLICT:
                raise
        try:
            found = self._api.call("GET", f"pods/{name}", left)
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise
            return None
        if any(tags(found).get(key) != value for key, value in order.tags.items()):
            raise ProviderError(f"there is a pod {name} already that was not made for this order")
        return found

    def _give_secret(self, name: str, pod: Pod, secret: str, left: Left) -> None:
        """What it enrols with. Where it gets none, it is taken back."""
        wanted = pods.secret(name, uid_of(pod), self._about.space, secret)
        try:
            self._api.call("POST", "secrets", left, wanted)
        except NoAnswer:
            raise
        except ProviderError as problem:
            if isinstance(problem, Refused) and problem.code == CONFLICT:
                return
            self._take_back(name, pod, left)
            raise

    def _find_room(self, name: str, pod: Pod, left: Left) -> None:
        """Where the cluster adds no machines: a pod that finds no room at once is taken back."""
        if self._about.when_full != "refuse":
            return
        until_s, pause_s = time.monotonic() + ROOM_S, FIRST_LOOK_S
        while time.monotonic() < until_s:
            found = self._api.call("GET", f"pods/{name}", left)
            if seen(found).stuck == "full":
                self._take_back(name, pod, left)
                raise NoCapacity(seen(found).instance.why)
            if placed(found):
                return
            time.sleep(pause_s)
            pause_s *= 2

    def _take_back(self, name: str, pod: Pod, left: Left) -> None:
        """Nothing ran in it: it was never there. Raises ProviderError where it may be there still."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid_of(pod)},
        }
        try:
            self._api.call("DELETE", f"pods/{name}", left, options)
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise NoAnswer(f"{name} is left over: {refused}") from refused
        self._known.forget(name, uid_of(pod))

    def _find(self, id_: str) -> None:
        """Raises UnknownMachine where there never was such a pod, as far as anybody knows."""
        if self._known.find(id_) or self._known.was(id_):
            return
        try:
            self._api.call("GET", f"pods/{_path(id_)}", Left())
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise
            raise UnknownMachine(f"{self._pool.name} has no pod {id_}") from refused

    def _sweep(self, left: Left) -> None:
        """Pods that ended lie about until somebody deletes them: one at a time, of the farms that order here."""
        for name in self._known.ended():
            one = self._known.find(name)
            if one is not None and _farm(one.instance.tags) in self._farms:
                with contextlib.suppress(ProviderError):
                    self._api.call("DELETE", f"pods/{_path(name)}", left)
                return

    def _count(self) -> int:
        """Pods of this pool that count: all but those that are gone."""
        found = self._known.instances()
        return sum(one.state != "gone" and one.tags.get(TAG_POOL) == self._pool.name for one in found)


def _farm(about: Mapping[str, str]) -> tuple[str | None, str | None]:
    return about.get(TAG_FARM), about.get(TAG_INCARNATION)


def _path(name: str) -> str:
    return urllib.parse.quote(name, safe="")
