"""The server: an application served from a thread of its own."""

import asyncio
import socket
import threading

import uvicorn
from litestar import Litestar

START_S = 20.0


class Edge:
    """A server in a thread of its own."""

    def __init__(self, app: Litestar, listen: socket.socket) -> None:
        host, port = listen.getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._listen = listen
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)

    def start(self) -> "Edge":
        """Serve; returns when calls are answered. The socket listens already, so early calls only wait."""
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError(f"the server did not start within {START_S:.0f} s")
        return self

    def stop(self) -> None:
        """Stop serving. Long polls must have been ended (Bell.close): one that goes on is cut after a second."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._ready.set()
        await self._server.serve(sockets=[self._listen])
