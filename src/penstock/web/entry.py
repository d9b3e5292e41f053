"""What stands before the application: whether the hub lives and is ready, and how large a body may be."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

READY_S = 2.0
"""A store that does not answer within this time is not ready; what it answered is good for FRESH_S."""
FRESH_S = 1.0
PEOPLE_BYTES = 1 << 20
AGENTS_BYTES = 4 << 20
SIZES: tuple[tuple[re.Pattern[str], int | None], ...] = (
    (re.compile(r"/api/v1/agent/attempts/[^/]+/outputs/"), None),
    (re.compile(r"/api/v1/agent/"), AGENTS_BYTES),
    (re.compile(r"/"), PEOPLE_BYTES),
)
"""Bytes of a body by the beginning of its path, the first that fits; None: a stream, bounded by its pace alone."""

Ready = Callable[[], dict[str, Any]]
"""Reads the store and says what it finds. Raises what the store raises."""


class TooLarge(HTTPException):
    """413; the application answers it as any other, or lets it pass."""

    status_code = 413


class Entry:
    """ASGI middleware. /healthz and /readyz need neither a token nor a name in the Host header: they are asked by
    load balancers, by address, and tell nothing of the farm."""

    def __init__(self, app: ASGIApp, ready: Ready) -> None:
        self._app = app
        self._ready = ready
        self._answer: tuple[int, dict[str, Any]] = (503, {})
        self._asked_s = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/healthz":
            await _answer(send, 200, {"alive": True})
        elif scope["path"] == "/readyz":
            await _answer(send, *await self._readiness())
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, _bounded(scope, receive), send)
        except TooLarge as problem:
            await _answer(send, problem.status_code, {"reason": problem.detail})

    async def _readiness(self) -> tuple[int, dict[str, Any]]:
        """Ask the store, at most once a second however many ask us."""
        if self._asking is None and time.monotonic() - self._asked_s >= FRESH_S:
            self._asking = asyncio.ensure_future(self._ask())
        if self._asking is not None:
            await asyncio.wait((self._asking,), timeout=READY_S)
        if self._asking is not None and not self._asking.done():
            return 503, {"ready": False, "reason": f"the store has not answered for {READY_S:.0f} s"}
        return self._answer

    async def _ask(self) -> None:
        try:
            self._answer = 200, {"ready": True, **await asyncio.to_thread(self._ready)}
        except Exception:
            # Why is said where the operator looks: strangers may ask this.
            self._answer = 503, {"ready": False, "reason": "the store does not answer"}
        finally:
            self._asked_s = time.monotonic()
            self._asking = None


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive`, which raises 413 when the body is larger than its path allows."""
    most = next(size for pattern, size in SIZES if pattern.match(scope["path"]))  # type: ignore[typeddict-item]
    if most is None:
        return receive
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    # What is announced counts at once: 4 MB need not be read to be refused.
    got = int(said) if said.isdigit() and int(said) > most else 0

    async def bounded() -> Any:
        nonlocal got
        message = await receive()
        if message["type"] == "http.request":
            got += len(message["body"])
            if got > most:
                raise TooLarge(f"a body has at most {most} bytes here")
        return message

    return bounded


async def _answer(send: Send, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
