"""The application as callers meet it: hosts, headers and methods are the same for every path, also for those that do
not exist."""

from collections.abc import Collection
from typing import Any

from litestar import Litestar
from litestar.types import Message, Receive, Scope, Send

from penstock.web.agents import AgentApi
from penstock.web.guards import SECURITY_HEADERS, HostCheck
from penstock.web.quickpoll import QuickPoll

_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class _Answered(BaseException):
    """The head of an answer is sent: the rest was not asked for. No Exception, or it would be answered as one."""


class Front(Litestar):
    """Litestar behind a check of the Host header, with headers for browsers, and HEAD wherever there is GET."""

    def __init__(self, *, hosts: Collection[str], agents: AgentApi, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._quick = QuickPoll(super().__call__, agents)
        self._checked = HostCheck(self._answer, hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As ASGI servers call it."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message)
            await send(message)

        await self._checked(scope, receive, secured)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]  # type: ignore[typeddict-item]
        if method == "HEAD":
            await self._until_answered({**scope, "method": "GET"}, receive, _head_only(send))
        elif method == "OPTIONS":
            # A method that no path has is refused with all that the path has; litestar's own answer names only some.
            await self._until_answered({**scope, "method": "NONE"}, receive, _as_options(send))
        else:
            await self._quick(scope, receive, send)

    async def _until_answered(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except* _Answered:
            pass  # all that was asked for is sent


def _head_only(send: Send) -> Send:
    """The head of an answer, and no more of it is made."""

    async def answer(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _Answered

    return answer


def _as_options(send: Send) -> Send:
    """What refuses a method, sent as the answer to which methods there are."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            allow = [pair for pair in message["headers"] if pair[0].lower() == b"allow"]
            await send({"type": "http.response.start", "status": 204, "headers": allow})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _Answered
        await send(message)

    return answer


def _complete(message: Any) -> None:
    """Add what every answer says, and HEAD to what a path allows."""
    headers = [(name.lower(), value) for name, value in message["headers"]]
    there = {name for name, _ in headers}
    headers += [pair for pair in _HEADERS if pair[0] not in there]
    message["headers"] = [(name, _allowed(value) if name == b"allow" else value) for name, value in headers]


def _allowed(value: bytes) -> bytes:
    methods = {one.strip() for one in value.split(b",")}
    return b", ".join(sorted(methods | ({b"HEAD"} if b"GET" in methods else set())))
