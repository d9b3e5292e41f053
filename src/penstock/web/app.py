"""The hub's HTTP edge put together: agents' API, people's API, pages; and a server for it in a thread."""

import asyncio
import socket
import threading
from collections.abc import Callable, Collection
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp, Scope

from penstock import __version__
from penstock.hub.context import Hub, NotFound, Refused, Unauthorized
from penstock.ports import Duplicate, Forge, ForgeError, LogStore, Stale, StoreError
from penstock.web.agents import AgentApi
from penstock.web.bell import Bell
from penstock.web.guards import SECURITY_HEADERS, HostCheck, digest_of
from penstock.web.outputs import outputs_router
from penstock.web.pages import pages_router
from penstock.web.people import people_router

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
START_S = 20.0


def make_app(
    hub: Hub,
    logs: LogStore,
    forge: Forge,
    bell: Bell,
    operator_token: str,
    on_fault: Callable[[Exception], None] | None = None,
) -> Litestar:
    """The ASGI application of one hub. It answers to loopback names only.

    `on_fault` is told of what went wrong in the hub itself, such as a full disk: callers are answered 500, and try again.
    """
    return Litestar(
        route_handlers=[
            AgentApi(hub, logs, forge, bell).router(),
            people_router(hub, logs),
            outputs_router(hub),
            pages_router(hub, logs),
        ],
        middleware=[_host_check(LOOPBACK)],
        exception_handlers={
            Refused: _refused,
            NotFound: _problem(404),
            Unauthorized: _problem(401),
            ForgeError: _problem(503),
            HTTPException: _http_problem,
        },
        state=State({"operator_digest": digest_of(operator_token)}),
        after_request=_secured,
        after_exception=[_telling(on_fault)] if on_fault else [],
        openapi_config=OpenAPIConfig(title="Penstock", version=__version__, path="/api/v1/schema"),
        logging_config=None,
        request_max_body_size=None,
    )


def _host_check(hosts: Collection[str]) -> Any:
    def middleware(app: ASGIApp) -> HostCheck:
        return HostCheck(app, hosts)

    return middleware


def _secured(response: Response[Any]) -> Response[Any]:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _telling(on_fault: Callable[[Exception], None]) -> Any:
    """A hook that passes on what the disk or the store did to a call; what callers did wrong is their own."""

    async def tell(problem: Exception, _: Scope) -> None:
        if isinstance(problem, (OSError, StoreError)) and not isinstance(problem, (Stale, Duplicate)):
            on_fault(problem)

    return tell


def _refused(_: Request[Any, Any, Any], refused: Refused) -> Response[dict[str, object]]:
    return Response({"stop": refused.stop, "reason": refused.reason}, status_code=409)


def _problem(status: int) -> Any:
    def answer(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
        return Response({"reason": str(problem)}, status_code=status)

    return answer


def _http_problem(_: Request[Any, Any, Any], problem: HTTPException) -> Response[dict[str, str]]:
    return Response({"reason": problem.detail}, status_code=problem.status_code, headers=problem.headers)


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
