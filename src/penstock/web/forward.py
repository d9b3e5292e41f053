"""The world through the hub, for jobs on machines that reach nothing else: GET attempts/{id}/forward?to=HOST:PORT.

The answer is 101, and from then on the connection is a tunnel to that host (web/tunnel). Who may ask is decided as for
every call about an attempt, by session and fence; what may be asked for by `pool.reaches`, by name and by address. The
name is looked up once and the connection goes to the address that was checked.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from litestar import Response, Router, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from penstock.hub import reaching, sessions
from penstock.hub.context import Hub, Refused
from penstock.hub.queue import Right
from penstock.policy.reaching import Entry, Target, leads, names, opens, target_of
from penstock.web.agentcalls import FORWARD
from penstock.web.agents import AnyRequest, fence_of
from penstock.web.bounds import TAKE
from penstock.web.forwarded import Forwarded, Open
from penstock.web.guards import bearer
from penstock.web.tunnel import Far, Tunnel

LOOK_UP_S = 10.0
CONNECT_S = 10.0
EACH_S = 4.0
"""For one address of several."""
MOST_ADDRESSES = 8
Note = Callable[[str], None]
_LOOKING_UP = ThreadPoolExecutor(16, "names")
"""Threads of their own: a name server that does not answer must not take those that answer polls."""


class Unreached(HTTPException):
    """424: the host is allowed, and not to be had."""

    status_code = 424


class NotReached(HTTPException):
    """403: `pool.reaches` does not name it."""

    status_code = 403


def forward_router(hub: Hub, note: Note) -> Router:
    """GET attempts/{id}/forward. `note` is told a line of each connection, from a thread of its own."""
    forwarded = Forwarded(hub, note)

    @get("/attempts/{attempt:str}/forward", include_in_schema=False)
    async def forward(request: AnyRequest, attempt: FromPath[str], to: FromQuery[str]) -> Response[None]:
        take: Any = request.scope.get(TAKE)
        if request.headers.get("upgrade", "").lower() != FORWARD or take is None:
            raise HTTPException(f"ask for upgrade: {FORWARD}", status_code=426, headers={"Upgrade": FORWARD})
        right, entries = await asyncio.to_thread(_right, hub, bearer(request), attempt, fence_of(request))
        with forwarded.opening(right, to) as one:
            try:
                await _opened(one, _target(to, entries), entries)
            except asyncio.CancelledError:
                raise HTTPException("the hub stops", status_code=503) from None
            assert one.tunnel is not None
            one.tunnel.begin(take, FORWARD)
            await one.tunnel.lost.wait()
        return Response(None)

    return Router("/api/v1/agent", route_handlers=[forward], tags=["agent"])


def _right(hub: Hub, token: str, attempt: str, fence: str) -> tuple[Right, tuple[Entry, ...]]:
    session = sessions.authenticate(hub, token)
    try:
        entries = reaching.reached_by(hub, session, attempt, fence)
    except Refused as refused:
        if refused.reason == reaching.NOTHING:
            raise NotReached(refused.reason) from None
        raise
    return Right(session.machine, attempt, fence), entries


async def _opened(one: Open, target: Target, entries: tuple[Entry, ...]) -> None:
    """Call the host. Raises NotReached, Unreached."""
    if target.is_address:
        found = [target.host]
    else:
        async with one.look_ups:
            found = await _looked_up(target)
    far, one.number = await _connected(target, _allowed(target, entries, found))
    one.tunnel = Tunnel(far, one.purse)


def _target(to: str, entries: tuple[Entry, ...]) -> Target:
    try:
        target = target_of(to)
    except ValueError as wrong:
        raise HTTPException(str(wrong), status_code=400) from None
    if not names(entries, target):
        raise NotReached(f"{target} is not among what the pool reaches")
    return target


async def _looked_up(target: Target) -> list[str]:
    """The addresses of a host. Raises Unreached."""
    loop = asyncio.get_running_loop()
    try:
        asked = loop.run_in_executor(_LOOKING_UP, _look_up, target)
        return await asyncio.wait_for(asked, LOOK_UP_S)
    except TimeoutError:
        raise Unreached(f"{target.host} cannot be resolved within {LOOK_UP_S:.0f} s") from None
    except (OSError, UnicodeError):
        raise Unreached(f"{target.host} cannot be resolved") from None


def _allowed(target: Target, entries: tuple[Entry, ...], found: list[str]) -> list[str]:
    """Those that a connection may go to. Raises NotReached."""
    may = [one for one in found if leads(entries, target.port, one)]
    may = [one for one in may if opens(entries, target.port, one) or not _own(one, target.port)]
    if not may:
        raise NotReached(
            f"{target} is in a network of the farm itself, and the pool reaches it only by address"
        )
    return may[:MOST_ADDRESSES]


def _look_up(target: Target) -> list[str]:
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


def _own(number: str, port: int) -> bool:
    """Whether an address is this machine's own: what it would be called from is itself. Nothing is sent."""
    family = socket.AF_INET6 if ":" in number else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((number, port))
        except OSError:
            return False
        return bool(asked.getsockname()[0] == number)


async def _connected(target: Target, numbers: list[str]) -> tuple[Far, str]:
    """A connection to the first address that answers. Raises Unreached."""
    loop = asyncio.get_running_loop()
    why = ""
    try:
        async with asyncio.timeout(CONNECT_S):
            for number in numbers:
                try:
                    calling = loop.create_connection(Far, number, target.port)
                    _, far = await asyncio.wait_for(calling, EACH_S)
                    return far, number
                except OSError as wrong:
                    why = _said(wrong)
    except TimeoutError:
        why = why or _said(TimeoutError())
    raise Unreached(f"{target} cannot be reached: {why}")


def _said(wrong: OSError) -> str:
    return (
        f"no answer within {EACH_S:.0f} s"
        if isinstance(wrong, TimeoutError)
        else wrong.strerror or str(wrong)
    )
