"""Answers that are sent as they are made: streams that end when they are done, when their reader leaves, or when it
takes nothing any more."""

import asyncio
from collections.abc import AsyncIterator

from litestar.types import Receive, Scope, Send

SLOW_S = 30.0
"""A reader that takes nothing for so long is dropped: what it does not take must not be kept for it."""
LIFE_S = 600.0
"""A stream ends after so long: its reader comes again, and is asked again for a token that is good."""
EVENT_STREAM = "text/event-stream"


class Streamed:
    """An ASGI application that sends chunks as they come. What is not sent yet is nowhere kept but in its one chunk."""

    def __init__(self, chunks: AsyncIterator[bytes], media: str, slow_s: float = SLOW_S) -> None:
        self._chunks, self._media, self._slow_s = chunks, media, slow_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the chunks end or the reader is gone."""
        headers = [(b"content-type", self._media.encode()), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._chunks.aclose()  # type: ignore[attr-defined]
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        clock = asyncio.get_running_loop()
        until_s = clock.time() + LIFE_S
        async for chunk in self._chunks:
            sent = send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                await asyncio.wait_for(sent, self._slow_s)
            except TimeoutError:
                return  # without an end: the server closes the connection
            if clock.time() >= until_s:
                break
        await asyncio.wait_for(
            send({"type": "http.response.body", "body": b"", "more_body": False}), self._slow_s
        )


async def _left(receive: Receive) -> None:
    """Ends when the reader has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def event(name: str, data: bytes, id_: str = "") -> bytes:
    """One event as text/event-stream has it. `data` is JSON on one line."""
    head = f"id: {id_}\n" if id_ else ""
    return head.encode() + f"event: {name}\ndata: ".encode() + data + b"\n\n"


def heartbeat(id_: str = "") -> bytes:
    """Nothing happened; with how far that is true, so that a reader that comes again begins there."""
    return b": still here\n" + (f"id: {id_}\n".encode() if id_ else b"") + b"\n"
