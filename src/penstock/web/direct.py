"""Uploads that go past the hub: an agent asks for a ticket, puts its output into the object store, and says so.

The ticket is for the upload's own name. The hub reads and digests what came, as it does what comes through itself,
and only what it has read gets a content name (I12). Both calls are fenced as PUT outputs is, and may be repeated.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from litestar import Router, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from penstock.hub import queue, sessions
from penstock.hub.context import Hub
from penstock.model.job import Attempt, Output
from penstock.model.machine import Session
from penstock.web.agents import OUTPUTS, AnyRequest, fence_of
from penstock.web.guards import bearer
from penstock.web.slowly import slowly
from penstock.wire import messages as wire

VALID_S = 3600
"""How long a ticket may be used: to begin, not to end."""
NO_TICKETS = "this hub gives no tickets: PUT the output here"
READING_AT_ONCE = 2
"""Outputs of gigabytes must not take the threads that answer polls."""


def direct_router(hub: Hub) -> Router:
    """POST attempts/{id}/outputs/{name}/ticket and .../received."""
    reader = Reader(hub)

    @post(
        "/attempts/{attempt:str}/outputs/{name:str}/ticket",
        status_code=HTTP_200_OK,
        raises=[NotFoundException],
    )
    async def ticket(request: AnyRequest, attempt: FromPath[str], name: FromPath[str]) -> wire.Ticket:
        _, found = await _may_write(hub, request, attempt, name)
        if hub.rules.reaches_only_hub(found.pool):
            raise NotFoundException(NO_TICKETS)
        return await slowly(_ticket, hub, f"{attempt}/{name}")

    @post(
        "/attempts/{attempt:str}/outputs/{name:str}/received",
        status_code=HTTP_200_OK,
        raises=[NotFoundException],
    )
    async def received(request: AnyRequest, attempt: FromPath[str], name: FromPath[str]) -> wire.Uploaded:
        session, _ = await _may_write(hub, request, attempt, name)
        digest, size = await reader.receive(f"{attempt}/{name}")
        output = Output(name, digest, size)
        await asyncio.to_thread(queue.uploaded, hub, session, attempt, fence_of(request), output)
        return wire.Uploaded(name=name, digest=digest, size_bytes=size)

    return Router("/api/v1/agent", route_handlers=[ticket, received], tags=["agent"])


class Reader:
    """Reads what came, a few outputs at once, and each by one thread: who asks again waits for the same answer."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._threads = ThreadPoolExecutor(READING_AT_ONCE, "direct")
        self._under_way: dict[str, asyncio.Future[tuple[str, int]]] = {}

    async def receive(self, name: str) -> tuple[str, int]:
        """As ports.BlobStore.receive. Goes on when the caller has left: it will ask again."""
        reading = self._under_way.get(name)
        if reading is None:
            reading = asyncio.get_running_loop().run_in_executor(self._threads, _receive, self._hub, name)
            self._under_way[name] = reading
            reading.add_done_callback(lambda _: self._under_way.pop(name))
        return await asyncio.shield(reading)


async def _may_write(hub: Hub, request: AnyRequest, attempt: str, name: str) -> tuple[Session, Attempt]:
    """The session of a call about an output that it may write now, and the attempt. Raises 404, 401, Refused."""
    if name not in OUTPUTS:
        raise NotFoundException(f"no output is called {name!r}: {', '.join(OUTPUTS)}")
    session = await asyncio.to_thread(sessions.authenticate, hub, bearer(request))
    return session, await asyncio.to_thread(queue.may_write, hub, session, attempt, fence_of(request))


def _ticket(hub: Hub, name: str) -> wire.Ticket:
    given = hub.blobs.ticket(name, VALID_S)
    if given is None:
        raise NotFoundException(NO_TICKETS)
    return wire.Ticket(
        method=given.method,
        url=given.url,
        headers=given.headers,
        valid_s=given.valid_s,
        most_bytes=given.most_bytes,
    )


def _receive(hub: Hub, name: str) -> tuple[str, int]:
    try:
        return hub.blobs.receive(name)
    except KeyError:
        raise NotFoundException("nothing came by a ticket for this output") from None
