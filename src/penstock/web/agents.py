"""The agent's API (/api/v1/agent): registration, the long poll, and what belongs to one attempt.

Every call carries a session's token; every call about an attempt its fence. What agents send is small JSON or a
raw stream; streams go to the upload's own name and are digested on the way (I12).
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from litestar import Request, Router, get, post, put
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK
from litestar.types import Receive

from penstock import __version__
from penstock.hub import poller, queue, sessions
from penstock.hub.context import Hub, Refused
from penstock.model.job import Output
from penstock.model.machine import Session
from penstock.ports import Forge, LogStore, Upload
from penstock.web import translate
from penstock.web.agentfile import PATH, agent_file
from penstock.web.bell import Bell
from penstock.web.guards import bearer
from penstock.web.slowly import slowly
from penstock.wire import messages as wire

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
POLL_S = 30.0
PIECE_BYTES = 1 << 20
MOMENT_S = 0.05
"""So long an answer waits for the next offer after a finish, while there is work."""
FINISH_LOG_BYTES = 32 << 10
"""So much log comes with a finish at most; longer ones come before it."""
TOKENS_KEPT = 20_000
PROBLEM = "penstock.problem"
"""Where a poll carries what went wrong with it already (quickpoll)."""
MOST_LOG_PIECE_BYTES = 4 << 20
OUTPUTS = ("tree", "worktree", "source", "artifacts")


class AgentApi:
    """The handlers, over one hub."""

    def __init__(self, hub: Hub, logs: LogStore, forge: Forge, bell: Bell) -> None:
        self._hub, self._logs, self._forge, self._bell = hub, logs, forge, bell
        self._machines: dict[str, str] = {}

    def router(self) -> Router:
        """All routes of the agent's API."""
        handlers = [*self._session_routes(), *self._attempt_routes(), *self._stream_routes()]
        return Router("/api/v1/agent", route_handlers=handlers, tags=["agent"])

    def _session_routes(self) -> list[Any]:
        @post("/register", status_code=HTTP_200_OK)
        async def register(request: AnyRequest, data: JSONBody[wire.Register]) -> wire.Registered:
            return await _off(self._register, bearer(request), data)

        @post("/poll", status_code=HTTP_200_OK)
        async def poll(request: AnyRequest, data: JSONBody[wire.Poll]) -> wire.Polled:
            problem: Any = request.scope.get(PROBLEM)
            if isinstance(problem, Exception):
                raise problem
            return await self.poll(bearer(request), data, request.receive)

        return [register, poll]

    def _attempt_routes(self) -> list[Any]:
        hub = self._hub

        @post("/attempts/{attempt:str}/acknowledge", status_code=HTTP_200_OK)
        async def acknowledge(
            request: AnyRequest, attempt: FromPath[str], data: JSONBody[wire.Acknowledge]
        ) -> wire.Accepted:
            _same(attempt, data.attempt)
            session = await self._session(request)
            await _off(queue.acknowledge, hub, session, attempt, data.fence, translate.body_digest(data))
            return wire.Accepted()

        @post("/attempts/{attempt:str}/renew", status_code=HTTP_200_OK)
        async def renew(
            request: AnyRequest, attempt: FromPath[str], data: JSONBody[wire.Acknowledge]
        ) -> wire.Accepted:
            _same(attempt, data.attempt)
            await _off(queue.renew, hub, await self._session(request), attempt, data.fence)
            return wire.Accepted()

        @post("/attempts/{attempt:str}/finish", status_code=HTTP_200_OK)
        async def finish(
            request: AnyRequest, attempt: FromPath[str], data: JSONBody[wire.Finish]
        ) -> wire.Accepted:
            _same(attempt, data.attempt)
            if data.log:
                await slowly(self._keep_logs, bearer(request), [data])
            session, digest = await self._session(request), translate.body_digest(data)
            await _off(queue.finish, hub, session, attempt, data.fence, digest, translate.ending(data))
            return wire.Accepted()

        return [acknowledge, renew, finish]

    def _stream_routes(self) -> list[Any]:
        @post("/attempts/{attempt:str}/log", status_code=HTTP_200_OK)
        async def log(request: AnyRequest, attempt: FromPath[str], offset: FromQuery[int]) -> wire.NextOffset:
            return await self._log(request, attempt, offset)

        @put("/attempts/{attempt:str}/outputs/{name:str}", status_code=HTTP_200_OK)
        async def output(request: AnyRequest, attempt: FromPath[str], name: FromPath[str]) -> wire.Uploaded:
            return await self._output(request, attempt, name)

        @get("/attempts/{attempt:str}/source", include_in_schema=False)
        async def source(request: AnyRequest, attempt: FromPath[str]) -> Stream:
            work = await _off(queue.work_of, self._hub, await self._session(request), attempt)
            found = work.job.spec.source
            if work.inputs.source:
                return _stream(await slowly(self._hub.blobs.read, work.inputs.source))
            if found is None:
                raise HTTPException("this job has no source", status_code=404)
            return _stream(self._forge.archive(found))

        @get("/attempts/{attempt:str}/inputs/{digest:str}", include_in_schema=False)
        async def one_input(request: AnyRequest, attempt: FromPath[str], digest: FromPath[str]) -> Stream:
            session = await self._session(request)
            if not await _off(queue.input_allowed, self._hub, session, attempt, digest):
                raise HTTPException("not an input of this attempt", status_code=404)
            return _stream(await slowly(self._hub.blobs.read, digest))

        return [log, output, source, one_input]

    async def _session(self, request: AnyRequest) -> Session:
        return await _off(sessions.authenticate, self._hub, bearer(request))

    def _register(self, token: str, said: wire.Register) -> wire.Registered:
        if said.protocol != wire.PROTOCOL:
            raise Refused(f"this hub speaks protocol {wire.PROTOCOL}, not {said.protocol}", stop=False)
        try:
            done = sessions.register(self._hub, token, translate.registration(said))
        except ValueError as wrong:
            raise HTTPException(str(wrong), status_code=400) from wrong
        lease = self._hub.rules.lease
        return wire.Registered(
            protocol=wire.PROTOCOL,
            machine=done.machine.id,
            session=done.session.id,
            token=done.token,
            credential=done.credential,
            contact_s=lease.contact_ms / 1000,
            right_s=lease.right_ms / 1000,
            poll_s=min(POLL_S, lease.contact_ms / 3000),
            orders=translate.ordered(done.orders),
            direct=self._hub.blobs.direct and not self._hub.rules.reaches_only_hub(done.machine.pool),
            finish_log_bytes=FINISH_LOG_BYTES,
            release=__version__,
            agent_file=PATH,
            agent_digest=agent_file().digest,
            power_off=done.power_off,
            clean_after=done.clean_after,
        )

    async def poll(self, token: str, data: wire.Poll, receive: Receive) -> wire.Polled:
        """Answer at once when there is something to say; else when the bell rings, the time is up, or the caller left.

        Who ends something and has nothing else to do waits a moment for its next offer: one round trip does for both.
        """
        if any(one.log for one in data.finish):
            await slowly(self._keep_logs, token, data.finish)
        machine = self._machines.get(token, "")
        rung = self._bell.listen(f"machine:{machine}")
        try:
            said = translate.said_in_poll(data)
            session, heard = await asyncio.wrap_future(poller.begin_poll(self._hub, token, said))
            answer = translate.polled(heard, self._hub.rules)
            wait_s = _patience_s(data, answer, heard.more)
            if session.machine == machine and wait_s and not await _rings(rung, receive, wait_s):
                return answer
        finally:
            self._bell.leave(f"machine:{machine}", rung)
        if session.machine != machine:
            self._remember(token, session.machine)
        elif wait_s:
            offers = await _off(poller.open_offers, self._hub, session)
            answer.offers = [translate.offer(work, self._hub.rules) for work in offers]
        return answer

    def _remember(self, token: str, machine: str) -> None:
        """Whose token it is: only what bell to listen to, never who may do what."""
        if len(self._machines) >= TOKENS_KEPT:
            self._machines.clear()
        self._machines[token] = machine

    def _keep_logs(self, token: str, finishes: list[wire.Finish]) -> None:
        """Short logs that come with their finish: stored first, so that who hears of the end can read all."""
        logs = {one.attempt: _log_of(one) for one in finishes if one.log}
        allowed = queue.may_finish(self._hub, token, [(one.attempt, one.fence) for one in finishes])
        for one in finishes:
            if one.log and one.attempt in allowed:
                self._logs.append(one.attempt, one.log_offset, logs[one.attempt])
                self._bell.wake(f"log:{one.attempt}")

    async def _log(self, request: AnyRequest, attempt: str, offset: int) -> wire.NextOffset:
        session, fence = await self._session(request), fence_of(request)
        await _off(queue.may_write, self._hub, session, attempt, fence)
        data = await request.body()
        if offset < 0 or len(data) > MOST_LOG_PIECE_BYTES:
            raise HTTPException(f"a piece of log has at most {MOST_LOG_PIECE_BYTES} bytes", status_code=413)
        following = await slowly(self._logs.append, attempt, offset, data)
        self._bell.wake(f"log:{attempt}")
        await _off(queue.log_grew, self._hub, session, attempt, fence, following)
        return wire.NextOffset(next=following)

    async def _output(self, request: AnyRequest, attempt: str, name: str) -> wire.Uploaded:
        if name not in OUTPUTS:
            raise HTTPException(f"no output is called {name!r}: {', '.join(OUTPUTS)}", status_code=404)
        session, fence = await self._session(request), fence_of(request)
        await _off(queue.may_write, self._hub, session, attempt, fence)
        upload = await slowly(self._hub.blobs.upload, f"{attempt}/{name}")
        digest, size = await _receive(request.stream(), upload)
        await _off(queue.uploaded, self._hub, session, attempt, fence, Output(name, digest, size))
        return wire.Uploaded(name=name, digest=digest, size_bytes=size)


async def _off(function: Callable[..., T], *arguments: Any) -> T:
    """Run what may wait for the disk in a thread, so that the event loop never does."""
    return await asyncio.to_thread(function, *arguments)


def _same(named: str, said: str) -> None:
    if named != said:
        raise Refused("the body speaks of another attempt than the address", stop=False)


def fence_of(request: AnyRequest) -> str:
    """What names an attempt's right in a call with a raw body, or with none. Raises 400."""
    fence = request.headers.get(wire.FENCE_HEADER)
    if not fence:
        raise HTTPException(f"the header {wire.FENCE_HEADER} is needed", status_code=400)
    return fence


def _says_something(answer: wire.Polled) -> bool:
    told = answer.offers or answer.acknowledged or answer.finished or answer.drain
    return bool(told) or any(one.order != "continue" for one in answer.orders)


def _patience_s(data: wire.Poll, answer: wire.Polled, more: bool) -> float:
    """How long the answer may wait for an offer, seconds."""
    if not _says_something(answer):
        return min(data.wait_s, POLL_S)
    return MOMENT_S if more and not (answer.drain or data.draining) else 0.0


def _log_of(one: wire.Finish) -> bytes:
    """The bytes of a log that came with a finish. Raises 400."""
    try:
        log = base64.b64decode(one.log, validate=True)
    except ValueError as wrong:
        raise HTTPException(f"log of {one.attempt}: {wrong}", status_code=400) from None
    if len(log) > FINISH_LOG_BYTES:
        raise HTTPException(
            f"the log of a finish has at most {FINISH_LOG_BYTES} bytes: send it before", status_code=413
        )
    return log


async def _rings(rung: asyncio.Event, receive: Receive, wait_s: float) -> bool:
    """Wait for the bell. False when the time is up or the connection was closed."""
    bell, gone = asyncio.ensure_future(rung.wait()), asyncio.ensure_future(receive())
    try:
        await asyncio.wait((bell, gone), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return rung.is_set()
    finally:
        bell.cancel()
        gone.cancel()


async def _receive(stream: AsyncIterator[bytes], upload: Upload) -> tuple[str, int]:
    """A body into an upload, in pieces of a megabyte; a body that breaks off leaves nothing."""
    pieces, held = [], 0
    try:
        async for chunk in stream:
            pieces.append(chunk)
            held += len(chunk)
            if held >= PIECE_BYTES:
                await slowly(upload.write, b"".join(pieces))
                pieces, held = [], 0
        await slowly(upload.write, b"".join(pieces))
        return await slowly(upload.finish)
    except BaseException:
        # In a thread as well, and to its end though the caller may have left: an object store may be slow to forget.
        await asyncio.shield(slowly(upload.abandon))
        raise


def _stream(chunks: Iterator[bytes]) -> Stream:
    return Stream(chunks, media_type="application/x-tar")
