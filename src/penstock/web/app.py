"""The hub's HTTP edge put together: agents' API, people's API, pages."""

from collections.abc import Callable
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import Scope

from penstock.hub.census import Census
from penstock.hub.context import Moved, NotFound, Refused, Unauthorized
from penstock.hub.submission import Unfit
from penstock.ports import Away, Duplicate, ForgeError, Stale, StoreError
from penstock.web.agentfile import agent_file_router
from penstock.web.agents import AgentApi
from penstock.web.bodies import StrictRequest
from penstock.web.calls import handler_of
from penstock.web.describing import schema_handler
from penstock.web.direct import direct_router
from penstock.web.feed import Feed
from penstock.web.forward import forward_router
from penstock.web.front import Front
from penstock.web.guards import Gate, with_token
from penstock.web.handing import secrets_router
from penstock.web.pages import pages_router
from penstock.web.peoplecalls import people_calls
from penstock.web.site import Site

AGAIN = {"Retry-After": "2"}
AGENTS = "/api/v1/agent"


def make_app(site: Site) -> Litestar:
    """The ASGI application of one hub process."""
    census = Census(site.hub)
    calls = people_calls(site, Feed(site.hub, site.bell), census)
    agents = AgentApi(site.hub, site.logs, site.forge, site.bell)
    return Front(
        hosts=site.hosts,
        agents=agents,
        route_handlers=[
            Router(
                "/",
                route_handlers=[
                    agents.router(),
                    direct_router(site.hub),
                    secrets_router(site.hub),
                    forward_router(site.hub, site.on_forward),
                ],
                request_class=StrictRequest,
                guards=[with_token],
            ),
            *(handler_of(call) for call in calls),
            pages_router(site.hub, site.logs, census),
            schema_handler(calls),
            agent_file_router(),
        ],
        exception_handlers={
            Refused: _refused,
            NotFound: _problem(404),
            Unfit: _problem(400),
            Unauthorized: _unauthorized,
            Moved: _moved,
            ForgeError: _problem(503, AGAIN),
            StoreError: _unavailable,
            HTTPException: _http_problem,
            500: _fault,
        },
        state=State({"gate": Gate(site.hub, site.operator_token)}),
        after_exception=[_telling(site.on_fault)] if site.on_fault else [],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )


def _telling(on_fault: Callable[[Exception], None]) -> Any:
    """A hook that passes on what the disk or the store did to a call; what callers did wrong is their own."""

    async def tell(problem: Exception, _: Scope) -> None:
        if isinstance(problem, (OSError, StoreError)) and not isinstance(problem, (Stale, Duplicate, Away)):
            on_fault(problem)

    return tell


def _refused(request: Request[Any, Any, Any], refused: Refused) -> Response[dict[str, object]]:
    """409; an agent is told also whether to stop the attempt that it spoke of."""
    said: dict[str, object] = {"reason": refused.reason}
    if request.url.path.startswith(AGENTS):
        said = {"stop": refused.stop, **said}
    return Response(said, status_code=409)


def _problem(status: int, headers: dict[str, str] | None = None) -> Any:
    def answer(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
        return Response({"reason": str(problem)}, status_code=status, headers=headers)

    return answer


def _unauthorized(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
    return Response({"reason": str(problem)}, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def _unavailable(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
    """503; where the database is, and what it says, is for the hub's log and not for callers."""
    what = "blob store" if isinstance(problem, Away) else "database"
    return Response({"reason": f"the farm's {what} cannot do it now"}, status_code=503, headers=AGAIN)


def _moved(_: Request[Any, Any, Any], moved: Moved) -> Response[dict[str, str]]:
    """503, as while the hub is away: an agent keeps what it has to say, and says it at the new address."""
    return Response({"reason": str(moved), "address": moved.address}, status_code=503, headers=AGAIN)


def _http_problem(_: Request[Any, Any, Any], problem: HTTPException) -> Response[dict[str, str]]:
    headers = dict(problem.headers or {})
    if problem.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response({"reason": _reason(problem)}, status_code=problem.status_code, headers=headers)


def _reason(problem: HTTPException) -> str:
    """What is wrong, with what the framework found of it: a parameter that is missing, and where."""
    extra = problem.extra if isinstance(problem.extra, list) else []
    found = [f"{one.get('key', '')}: {one.get('message', '')}" for one in extra if isinstance(one, dict)]
    return "; ".join([problem.detail, *found])


def _fault(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
    """A mistake of ours: what it was is for the hub's log, not for callers."""
    return Response({"reason": f"the hub failed: {type(problem).__name__}"}, status_code=500)
