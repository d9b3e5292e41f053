"""A call of the API as data: what it is given, what it answers, who may make it. Handlers and their description are
both made from it, so they cannot disagree."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.types import ASGIApp

from penstock.model.people import Role, Token
from penstock.web.bodies import MOST_BODY_BYTES, asked, body_of, converted
from penstock.web.documents import Nothing, Problem
from penstock.web.guards import caller_of, needs
from penstock.web.slowly import slowly

AnyRequest = Request[Any, Any, Any]
Security = Literal["person", "agent", "enrolment", "nobody"]
"""Whose token a call takes: a person's, a session's, what a machine registers with, or none."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What one call was given, decoded: `names` of its path, `query` and `body` as their types say."""

    caller: Token
    names: dict[str, str]
    query: Any
    body: Any
    request: AnyRequest


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `text`: a line, then perhaps more. `names`: the types of what stands in the path.

    `run` answers a document, or whatever litestar can answer; `waits`: it is a coroutine and not for a thread; `slow`:
    it reads blobs or logs, or all there is.
    `raw`: the media type of a body that is not JSON; `media` that of the answer. `errors` beyond those that follow
    from the rest, `means`: what one of them means here; `headers` that it needs, with what they are for.
    `upgrade`: what the connection becomes; then the good answer is 101, and what follows is no HTTP.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    name: str
    text: str
    run: Callable[[Given], Any] | None = None
    waits: bool = False
    slow: bool = False
    role: Role | None = None
    security: Security = "person"
    names: Mapping[str, Any] = {}
    query: type[Any] = Nothing
    body: type[Any] | None = None
    raw: str = ""
    answer: type[Any] | None = None
    media: str = "application/json"
    errors: Mapping[int, Any] = {}
    means: Mapping[int, str] = {}
    headers: Mapping[str, str] = {}
    upgrade: str = ""
    tag: str = "people"


def handler_of(call: Call) -> Any:
    """The litestar handler of a call of people."""
    assert call.role is not None
    path = call.path
    for name in call.names:
        path = path.replace(f"{{{name}}}", f"{{{name}:str}}")

    @route(
        path,
        http_method=HttpMethod(call.method),
        name=call.name,
        guards=[needs(call.role)],
        status_code=200,
        media_type=call.media,
        request_max_body_size=MOST_BODY_BYTES,
        include_in_schema=False,
    )
    async def handler(request: AnyRequest) -> ASGIApp:
        given = await _given(call, request)
        assert call.run is not None
        run = slowly if call.slow else asyncio.to_thread
        answer = await call.run(given) if call.waits else await run(call.run, given)
        # What is no document sends itself: litestar's responses, and streams.
        return Response(answer) if isinstance(answer, (dict, msgspec.Struct)) else answer  # type: ignore[return-value]

    return handler


async def _given(call: Call, request: AnyRequest) -> Given:
    names = {
        name: converted(f"{name} in the address", request.path_params[name], kind)
        for name, kind in call.names.items()
    }
    query = asked(request.query_params.dict(), call.query)
    body = await body_of(request, call.body) if call.body else None
    return Given(caller=caller_of(request), names=names, query=query, body=body, request=request)


PROBLEMS: dict[int, str] = {
    400: "What was sent is not as documented here.",
    401: "No token, or one that is unknown, expired or revoked.",
    403: "The token's role is too small.",
    404: "There is nothing of that name.",
    405: "The path has no such method.",
    409: "What is asked contradicts what is so: the reason says what.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8.",
    424: "What is asked for is not to be had from where it is.",
    426: "The request asks for no upgrade.",
    429: "Too much of this at once.",
    503: "The hub cannot do it now. Try again after `Retry-After` seconds.",
}
"""What the statuses of refusals mean."""


def problems_of(call: Call) -> dict[int, Any]:
    """Each status that a call may be refused with, and what the answer then is."""
    found: dict[int, Any] = {405: Problem, 503: Problem}
    if call.names or call.body or call.raw or call.query is not Nothing or call.headers:
        found[400] = Problem
    if call.security != "nobody":
        found[401] = Problem
    if call.role is not None:
        found[403] = Problem
        found[400] = Problem
    if call.body or call.raw:
        found[413] = Problem
    if call.body:
        found[415] = Problem
    return dict(sorted((found | dict(call.errors)).items()))
