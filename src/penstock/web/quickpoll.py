"""The one call that agents make all the time, POST /api/v1/agent/poll, answered without the framework's detours.

What is not as it should be (no token, no JSON, a stale session) goes the documented way: the framework's route gets the
same body, or the problem to answer, so refusals look alike whoever finds them.
"""

from typing import Any

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from penstock.web.agents import PROBLEM, AgentApi
from penstock.web.bodies import MOST_WHOLE_BYTES
from penstock.wire import messages as wire

PATH = "/api/v1/agent/poll"
_HEADERS = [(b"content-type", b"application/json")]


class QuickPoll:
    """ASGI middleware before `app`, for the poll alone."""

    def __init__(self, app: ASGIApp, api: AgentApi) -> None:
        self._app, self._api = app, api
        self._decoder = msgspec.json.Decoder(wire.Poll)
        self._encoder = msgspec.json.Encoder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a poll, pass everything else on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":  # type: ignore[typeddict-item]
            await self._app(scope, receive, send)
            return
        token = _token(scope)
        pieces: list[bytes] = []
        whole = bool(token) and await _read(receive, pieces)
        poll = self._decoded(b"".join(pieces)) if whole else None
        if poll is None:
            await self._app(scope, _again(pieces, whole, receive), send)
            return
        try:
            answer = await self._api.poll(token, poll, receive)
        except Exception as problem:
            scope[PROBLEM] = problem  # type: ignore[literal-required,typeddict-unknown-key]
            await self._app(scope, _again(pieces, True, receive), send)
            return
        await _send(send, self._encoder.encode(answer))

    def _decoded(self, body: bytes) -> wire.Poll | None:
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


def _token(scope: Any) -> str:
    """The bearer token of a call that says it sends JSON, "" where anything about that is unusual."""
    headers = dict(scope["headers"])
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    plain = kind == "Bearer" and headers.get(b"content-type") == b"application/json"
    return token if plain else ""


async def _read(receive: Receive, pieces: list[bytes]) -> bool:
    """Read the body. False when it is longer than any poll, or breaks off."""
    size_bytes = 0
    while size_bytes <= MOST_WHOLE_BYTES:
        message: Any = await receive()
        if message["type"] != "http.request":
            return False
        pieces.append(message.get("body", b""))
        size_bytes += len(pieces[-1])
        if not message.get("more_body"):
            return size_bytes <= MOST_WHOLE_BYTES
    return False


def _again(pieces: list[bytes], whole: bool, receive: Receive) -> Receive:
    """What was read once more, then what comes after it."""
    waiting = list(pieces)

    async def read() -> Any:
        if waiting:
            piece = waiting.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting) or not whole}
        return await receive()

    return read


async def _send(send: Send, body: bytes) -> None:
    head: Any = {
        "type": "http.response.start",
        "status": 200,
        "headers": [*_HEADERS, (b"content-length", str(len(body)).encode())],
    }
    await send(head)
    await send({"type": "http.response.body", "body": body, "more_body": False})
