"""Live streams for people and programs: what happens, and what a job prints (text/event-stream)."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator

import msgspec

from penstock.hub import views
from penstock.hub.context import Hub
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.units import seconds
from penstock.ports import LogStore, Tx
from penstock.web.answers import event, heartbeat
from penstock.web.bell import Bell
from penstock.web.documents import EventLine
from penstock.web.feed import HEARTBEAT_S, Feed, Kept, Watch, kept
from penstock.web.slowly import slowly

PIECE_BYTES = 1 << 16
LOG_LOOK_S = 1.0
"""How often a log is looked into where nobody rings: its agent may speak to another hub process."""
PLACE = re.compile(r"(\d{1,9}):(\d{1,15})")


def event_line(one: Event) -> EventLine:
    """An event as people read it."""
    return EventLine(
        position=one.position,
        at_s=seconds(one.at_ms),
        kind=one.kind,
        state=one.state,
        reason=one.reason,
        build=one.build,
        job=one.job,
        attempt=one.attempt,
        machine=one.machine,
    )


def position_of(last_event_id: str | None, after: int | None) -> int | None:
    """Where a reader goes on: behind what it saw last, else behind what it asks for, else None: from now."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19:
        return int(last_event_id)
    return after


async def events(hub: Hub, feed: Feed, after: int | None, watch: Watch) -> AsyncIterator[bytes]:
    """Every event behind `after`, in order, each once. A reader whose place is not kept any more, or never was of
    this farm, is told `gone` with what there is; its id is where it can go on."""
    there = await asyncio.to_thread(kept, hub)
    after = there.newest if after is None else after
    if not there.has_all_after(after):
        yield _gone(there)
        return
    yield heartbeat(str(after))
    clock = asyncio.get_running_loop()
    told_s = clock.time()
    async for found in feed.follow(after, HEARTBEAT_S):
        if found and found[0].position != after + 1:  # pruned while this reader was on its way
            yield _gone(await asyncio.to_thread(kept, hub))
            return
        after = found[-1].position if found else after
        chunk = b"".join(_told(one) for one in found if watch.takes(one))
        if chunk or clock.time() - told_s >= HEARTBEAT_S:
            told_s = clock.time()
            yield chunk or heartbeat(str(after))


def _told(one: Event) -> bytes:
    return event(one.kind, msgspec.json.encode(event_line(one)), str(one.position))


def _gone(there: Kept) -> bytes:
    return event("gone", msgspec.json.encode(there), str(there.oldest - 1))


class LogPlace(msgspec.Struct, frozen=True):
    """A place in what a job printed: the attempt's number, None = the newest, and a byte of its log."""

    n: int | None = None
    offset: int = 0


def place_of(last_event_id: str | None, asked: LogPlace) -> LogPlace:
    """Where a reader goes on: behind what it saw last, else where it asks."""
    found = PLACE.fullmatch(last_event_id or "")
    return LogPlace(int(found[1]), int(found[2])) if found else asked


async def log(hub: Hub, logs: LogStore, bell: Bell, job_id: str, place: LogPlace) -> AsyncIterator[bytes]:
    """What the attempts of a job print, from `place` on, until the job has ended and all of it is told."""
    n, offset = place.n, place.offset
    clock = asyncio.get_running_loop()
    told_s = clock.time()
    yield heartbeat()
    while not bell.closed:
        job, tries = await asyncio.to_thread(_tries, hub, job_id)
        n = n or (tries[-1].n if tries else 1)
        now = next((one for one in tries if one.n == n), None)
        topic = f"log:{now.id if now else job_id}"
        rung = bell.listen(topic)
        try:
            data = await slowly(logs.read, now.id, offset, PIECE_BYTES) if now else b""
            if data:
                told_s = clock.time()
                yield _piece(n, offset, data)
                offset += len(data)
            elif now and now.settled and n < tries[-1].n:
                n, offset = n + 1, 0
            elif not job.open and (now is None or now.settled):
                yield event("end", msgspec.json.encode({"state": job.state, "reason": job.reason}))
                return
            elif not await _heard(rung) and clock.time() - told_s >= HEARTBEAT_S:
                told_s = clock.time()
                yield heartbeat(f"{n}:{offset}")
        finally:
            bell.leave(topic, rung)


def _tries(hub: Hub, job_id: str) -> tuple[Job, list[Attempt]]:
    def read(tx: Tx) -> tuple[Job, list[Attempt]]:
        return views.find_job(tx, job_id), tx.find(Attempt, "job", job_id)

    return hub.store.read(read)


def _piece(n: int, offset: int, data: bytes) -> bytes:
    told = {"attempt": n, "offset": offset, "base64": base64.b64encode(data).decode()}
    return event("log", msgspec.json.encode(told), f"{n}:{offset + len(data)}")


async def _heard(rung: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(rung.wait(), LOG_LOOK_S)
    except TimeoutError:
        return False
    return True
