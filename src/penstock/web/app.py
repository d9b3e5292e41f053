"""The hub's HTTP edge put together: agents' API, people's API, pages."""

from collections.abc import Callable, Collection
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp, Scope

from penstock import __version__
from penstock.hub.context import NotFound, Refused, Unauthorized
from penstock.ports import Duplicate, ForgeError, Stale, StoreError
from penstock.web.agents import AgentApi
from penstock.web.guards import SECURITY_HEADERS, HostCheck, digest_of
from penstock.web.outputs import outputs_router
from penstock.web.pages import pages_router
from penstock.web.people import people_router
from penstock.web.site import Site
from penstock.web.tokens import tokens_router


def make_app(site: Site) -> Litestar:
    """The ASGI application of one hub process."""
    return Litestar(
        route_handlers=[
            AgentApi(site.hub, site.logs, site.forge, site.bell).router(),
            people_router(site.hub, site.logs),
            outputs_router(site.hub),
            tokens_router(site.hub),
            pages_router(site.hub, site.logs),
        ],
        middleware=[_host_check(site.hosts)],
        exception_handlers={
            Refused: _refused,
            NotFound: _problem(404),
            Unauthorized: _problem(401),
            ForgeError: _problem(503),
            HTTPException: _http_problem,
        },
        state=State({"operator_digest": digest_of(site.operator_token)}),
        after_request=_secured,
        after_exception=[_telling(site.on_fault)] if site.on_fault else [],
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
