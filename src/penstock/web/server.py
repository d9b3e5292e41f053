"""The server: an application served from a thread of its own, on one address or two."""

import asyncio
import resource
import socket
import threading
import time
from typing import Any

import msgspec
import uvicorn
from litestar.types import ASGIApp, Receive, Scope, Send

from penstock.web.bounds import IDLE_S, BoundedProtocol
from penstock.web.entry import Entry, Ready

START_S = 20.0
BACKLOG = 2048
GRACE_S = 3
"""For calls that are under way when it stops: uploads are sent again elsewhere."""
FILES_APART = 256
TICK_S = 30.0
"""An event loop that has not turned for so long hangs."""


class Tls(msgspec.Struct, frozen=True):
    """A certificate (with what it is signed by) and its key, as files in PEM."""

    certificate: str
    key: str


def _nothing() -> dict[str, Any]:
    return {}


class Edge:
    """A server in a thread of its own. `inner` is a second socket that is served without TLS; `ready` reads the store
    (see entry.Entry). Raises OSError or ssl.SSLError for a certificate that cannot be used."""

    def __init__(
        self,
        app: ASGIApp,
        listen: socket.socket,
        tls: Tls | None = None,
        inner: socket.socket | None = None,
        ready: Ready = _nothing,
    ) -> None:
        self._app = app
        self._entry = Entry(self._now, ready)
        self._ticked_s = time.monotonic()
        self.address = _address(listen, tls is not None)
        self.inner_address = _address(inner, False) if inner is not None else ""
        self._servers = [(self._server(tls), listen)]
        if inner is not None:
            self._servers.append((self._server(None), inner))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)

    def start(self) -> "Edge":
        """Serve; returns when calls are answered. The socket listens already, so early calls only wait."""
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError(f"the server did not start within {START_S:.0f} s")
        return self

    def use(self, app: ASGIApp) -> None:
        """Answer calls that come from now on with another application."""
        self._app = app

    def ticks(self) -> bool:
        """Whether the event loop has turned within the last seconds."""
        return time.monotonic() - self._ticked_s < TICK_S

    def stop(self) -> None:
        """Stop serving. Long polls must have been ended (Bell.close): what goes on is cut after GRACE_S."""
        for server, _ in self._servers:
            server.should_exit = True
        self._thread.join()

    async def _now(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application of now."""
        await self._app(scope, receive, send)

    async def _tick(self) -> None:
        self._ticked_s = time.monotonic()

    def _server(self, tls: Tls | None) -> uvicorn.Server:
        config = uvicorn.Config(
            self._entry,
            http=_protocol(),
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_S,
            # uvloop does not end while a TLS handshake hangs that the other side gave up.
            loop="asyncio" if tls else "auto",
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
            ws="none",
            proxy_headers=False,
            server_header=False,
            callback_notify=self._tick,
            timeout_notify=1,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        config.load()
        return uvicorn.Server(config)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._servers[0][0].config.get_loop_factory()) as loop:
            loop.run(self._serve())

    async def _serve(self) -> None:
        self._ready.set()
        await asyncio.gather(*(server.serve(sockets=[listen]) for server, listen in self._servers))


def files_at_most() -> int:
    """Raise the limit of open files to what this user may have, and say how many that is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _most_connections() -> int:
    """As many as the limit of open files has room for, beside files, database and mirrors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(FILES_APART, soft - FILES_APART)


def _protocol() -> type[BoundedProtocol]:
    return type("LimitedProtocol", (BoundedProtocol,), {"most_connections": _most_connections()})


def _address(listen: socket.socket, secure: bool) -> str:
    host, port = listen.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
