"""HTTP/1.1 with bounds in time and size, below the application: nobody holds a connection by doing nothing with it.

uvicorn bounds how long a connection idles between requests, and nothing else: a head that never ends, a body of one
byte a minute, a reader that takes nothing would each keep a connection and its memory for ever (slow loris).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""From the connection, or the first byte of a request, to the end of its head."""
MOST_HEAD_BYTES = 32 << 10
MOST_HEADERS = 100
STALL_S = 60.0
LEAST_BYTES = 4096
"""A body that brings less than LEAST_BYTES in STALL_S is given up; so is a reader that takes less than a buffer."""
IDLE_S = 30
"""Between two requests."""
LINGER_S = 2.0
"""What was refused is read on for so long, so that its sender comes to read why: a connection that is closed with
bytes unread is reset, and the answer is lost on its way."""
TAKE = "penstock.take"
"""Where the scope of a call has `BoundedProtocol.take`."""
_WORDS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `most_connections` is of the whole server; above it, a connection hears 503 and is closed."""

    most_connections = 1 << 20

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._in_head, self._in_body, self._answering, self._oversized = True, False, False, False
        self._refused = False
        self._head_bytes = self._parsed_bytes = self._header_count = 0
        self._body_bytes = self._body_before = 0
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._taken: asyncio.Protocol | None = None

    def take(self, taker: asyncio.Protocol, upgrade: str) -> asyncio.Transport | None:
        """Switch the connection of a call that asked for it to another protocol: what comes and happens is the taker's
        from now. The call must not be answered, and lasts until the connection is lost. None where that is so already.
        """
        if self._is_over():
            return None
        self._taken = taker
        self._forget_reading()
        line = f"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n"
        self.transport.write(line.encode())
        return self.transport

    def shutdown(self) -> None:
        """As uvicorn has it: what was taken over ends with the server, without a word."""
        if self._taken is not None:
            self.transport.abort()
        else:
            super().shutdown()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As asyncio has it."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(503)
        else:
            self._reading = self.loop.call_later(HEAD_S, self._refuse, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio has it."""
        self._forget_reading()
        self._forget_writing()
        super().connection_lost(exc)
        if self._taken is not None:
            self._taken.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio has it. A head or body that is not whole yet has so much time left."""
        if self._taken is not None:
            self._taken.data_received(data)
            return
        if self._is_over():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_over():
            return
        if not self._in_head and not self._in_body:
            self._forget_reading()
        elif self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(431)
        elif self._reading is None:
            if self._in_head:
                self._reading = self.loop.call_later(HEAD_S, self._refuse, 408)
            else:
                self._watch_body()

    def on_message_begin(self) -> None:
        """As httptools has it."""
        self._in_head = True
        self._head_bytes = self._parsed_bytes = self._header_count = 0
        super().on_message_begin()
        self.scope[TAKE] = self.take  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        """As httptools has it. What it raises becomes an answer of `send_400_response`."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As httptools has it; trailers of a body come here, too."""
        self._header_count += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As httptools has it."""
        self._in_head, self._in_body, self._answering = False, True, True
        self._body_bytes = self._body_before = 0
        self._forget_reading()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """As httptools has it."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As httptools has it."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn has it. Who was answered before the body was whole may read the answer, but not go on."""
        self._answering = False
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self.loop.call_later(LINGER_S, self.transport.close)

    def pause_writing(self) -> None:
        """As asyncio has it: the other side does not read."""
        super().pause_writing()
        if self._taken is not None:
            self._taken.pause_writing()
            return
        if self._writing is None:
            self._writing = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """As asyncio has it."""
        self._forget_writing()
        super().resume_writing()
        if self._taken is not None:
            self._taken.resume_writing()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn has it, called for what is no HTTP and for what raised above."""
        self._refuse(431 if self._oversized else 400)

    def _unsupported_upgrade_warning(self) -> None:
        """Any caller can ask for what there is not: that is no news."""

    def _count(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > MOST_HEAD_BYTES or self._header_count > MOST_HEADERS:
            self._oversized = True
            raise ValueError("the head is too large")

    def _watch_body(self) -> None:
        self._body_before = self._body_bytes
        self._reading = self.loop.call_later(STALL_S, self._check_body)

    def _check_body(self) -> None:
        """Give a body up that hardly comes; not where it is us who do not read."""
        self._reading = None
        if self._in_body and not self.transport.is_closing():
            if self._body_bytes - self._body_before < LEAST_BYTES and not self.flow.read_paused:
                self._refuse(408)
            else:
                self._watch_body()

    def _refuse(self, status: int) -> None:
        """Say why, where nothing was said yet, and close when the other side did or LINGER_S later."""
        if self._is_over():
            return
        self._refused = True
        self._forget_reading()
        if self._answering and self.cycle.response_started:
            self.transport.close()
            return
        line = f"HTTP/1.1 {status} {_WORDS[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(line.encode())
        if status == 503:  # One connection too many is not kept any longer.
            self.transport.close()
            return
        self._tell_application()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _is_over(self) -> bool:
        return self._refused or self.transport.is_closing()

    def _tell_application(self) -> None:
        """What it still says goes nowhere."""
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _forget_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
