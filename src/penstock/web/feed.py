"""What happened, as it happens: the outbox by position, read once for all who watch.

The newest events are kept in memory for everybody; a reader that is further behind reads the store for itself, in
pages. Nobody's events are queued, so a slow reader costs nothing but its own time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.model.farm import Event, Farm
from penstock.ports import StoreError, Tx
from penstock.web.bell import Bell

TOGETHER = 500
"""Events that are read from the store at a time."""
KEPT = 5000
LOOK_S = 2.0
"""How often the store is looked into where nobody rings: another hub process may have stamped the events."""
HEARTBEAT_S = 15.0


class Kept(msgspec.Struct, frozen=True):
    """Which positions there are: those from `oldest` to `newest`; none where oldest = newest + 1."""

    oldest: int
    newest: int

    def has_all_after(self, position: int) -> bool:
        """True when nothing behind this position is missing, and the position is one of this farm's."""
        return self.oldest - 1 <= position <= self.newest


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Which events somebody wants; "" = any."""

    build: str = ""
    job: str = ""
    machine: str = ""
    kind: str = ""

    def takes(self, event: Event) -> bool:
        """True for an event that was asked for."""
        return (
            self.build in ("", event.build)
            and self.job in ("", event.job)
            and self.machine in ("", event.machine)
            and self.kind in ("", event.kind)
        )


def kept(hub: Hub) -> Kept:
    """Which positions are in the store now."""

    def read(tx: Tx, farm: Farm) -> Kept:
        first = tx.find(Event, "position", limit=1, after=(0,))
        return Kept(first[0].position if first else farm.position + 1, farm.position)

    return look(hub, read)


def page(hub: Hub, after: int, limit: int = TOGETHER) -> list[Event]:
    """The events behind a position, by position."""
    return hub.store.read(lambda tx: tx.find(Event, "position", limit=limit, after=(max(0, after),)))


class Feed:
    """One hub process's view of the outbox. All of it runs on one event loop."""

    def __init__(self, hub: Hub, bell: Bell) -> None:
        self._hub, self._bell = hub, bell
        self._ring: deque[Event] = deque(maxlen=KEPT)
        self._end: int | None = None
        self._moved = asyncio.Event()
        self._readers = 0
        self._pump: asyncio.Future[None] | None = None

    async def follow(self, after: int, heartbeat_s: float = HEARTBEAT_S) -> AsyncIterator[list[Event]]:
        """The events behind `after` in order, each once, for as long as the hub runs; [] when nothing happened for
        `heartbeat_s`. The caller has checked that nothing behind `after` is missing."""
        self._enter()
        try:
            while not self._bell.closed:
                moved = self._moved
                found = await self._behind(after)
                if found:
                    after = found[-1].position
                    yield found
                elif not await _rung(moved, heartbeat_s):
                    yield []
        finally:
            self._leave()

    async def _behind(self, after: int) -> list[Event]:
        """From memory where it is there, else from the store."""
        if self._ring and self._ring[0].position <= after + 1:
            skipped = after + 1 - self._ring[0].position
            return list(islice(self._ring, skipped, skipped + TOGETHER))
        return await asyncio.to_thread(page, self._hub, after)

    def _enter(self) -> None:
        self._readers += 1
        if self._pump is None:
            self._pump = asyncio.ensure_future(self._run())

    def _leave(self) -> None:
        self._readers -= 1
        if self._readers == 0 and self._pump is not None:
            self._pump.cancel()
            self._pump = self._end = None
            self._ring.clear()

    async def _run(self) -> None:
        """Read what is new, for all; then wait until somebody rings."""
        while not self._bell.closed:
            rung = self._bell.listen("events")
            try:
                found = await self._news()
                if not found:
                    await _rung(rung, LOOK_S)
            finally:
                self._bell.leave("events", rung)
        self._tell()

    async def _news(self) -> list[Event]:
        """What is new, told to all who wait; at first where the news begin, which may be behind what they have read."""
        try:
            if self._end is None:
                self._end = (await asyncio.to_thread(kept, self._hub)).newest
                self._tell()
            found = await asyncio.to_thread(page, self._hub, self._end)
        except StoreError:
            return []  # looked into again in a moment
        if found:
            self._ring.extend(found)
            self._end = found[-1].position
            self._tell()
        return found

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


async def _rung(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return False
    return True
