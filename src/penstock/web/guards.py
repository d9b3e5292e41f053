"""Who may call: the Host header, people's tokens and roles, and what the answer says to browsers."""

import asyncio
import hmac
from collections.abc import Collection
from typing import Any

from litestar.connection import ASGIConnection, Request
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from penstock.hub import tokens
from penstock.hub.context import Hub
from penstock.hub.sessions import digest
from penstock.model.people import Role, Token, may

COOKIE = "penstock"
OPERATOR = "the operator"
"""What the local operator is called, whose token lies in the state folder."""

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; style-src-attr 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Sent with every answer: what a job printed must never run in a reader's browser."""


class HostCheck:
    """ASGI middleware: refuses a Host header that this hub was not told to answer to (DNS rebinding)."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 421."""
        if scope["type"] != "http" or self._known(scope):
            await self._app(scope, receive, send)
            return
        body = b'{"reason":"this hub does not answer to that host"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _known(self, scope: Scope) -> bool:
        names = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(names) == 1 and host_name(names[0]) in self._hosts


def host_name(header: str) -> str:
    """The name in a Host header, its port left out: "[::1]:80" -> "[::1]"."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


def bearer(request: ASGIConnection) -> str:
    """The bearer token of a call. Raises 401 when there is none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise NotAuthorizedException("a bearer token is needed")
    return token


def with_token(connection: ASGIConnection, _: BaseRouteHandler) -> None:
    """A guard: 401 for who brings no token at all, before anything else that they sent is read."""
    bearer(connection)


class Gate:
    """Says whose token a token is: the local operator's, who may do everything, or one of hub.tokens."""

    def __init__(self, hub: Hub, operator_token: str) -> None:
        self._hub = hub
        self._operator_digest = digest(operator_token)
        self._operator = Token(digest="", user=OPERATOR, role=Role.ADMIN)

    def caller(self, token: str) -> Token:
        """Whose token this is. Raises Unauthorized. May wait for the store."""
        if hmac.compare_digest(digest(token), self._operator_digest):
            return self._operator
        return tokens.who(self._hub, token)


def local_operator(caller: Token) -> bool:
    """True for the one who holds the token in the state folder: a person on this machine, not a user of the hub."""
    return caller.user == OPERATOR and not caller.digest


class Needs:
    """A guard: somebody with at least this role. Raises 401 without a token, 403 where the role is too small.

    The token comes as bearer, or (to read only) as the page's cookie. The caller is then in `caller_of(connection)`.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, connection: ASGIConnection, _: BaseRouteHandler) -> None:
        """As litestar calls guards."""
        gate: Gate = connection.app.state.gate
        caller = await asyncio.to_thread(gate.caller, _token_of(connection))
        if not may(caller.role, self.role):
            raise PermissionDeniedException(
                f"this needs the role {self.role}; the token of {caller.user} has the role {caller.role}"
            )
        connection.scope["state"]["caller"] = caller


def needs(role: Role) -> Needs:
    """The guard of a handler that needs this role."""
    return Needs(role)


people_only = needs(Role.VIEWER)
"""The guard of what everybody with a token may see."""


def caller_of(connection: ASGIConnection) -> Token:
    """Who calls, where a guard of `needs` let them in."""
    caller: Token = connection.scope["state"]["caller"]
    return caller


def sign_in(request: Request[Any, Any, Any], token: str) -> Cookie:
    """The cookie that pages are read with, for a token that is good. Raises Unauthorized. May wait for the store.

    Scripts cannot read it, other sites cannot send it, and behind TLS it never travels without.
    """
    gate: Gate = request.app.state.gate
    gate.caller(token)
    return Cookie(
        COOKIE, value=token, httponly=True, samesite="strict", path="/", secure=request.url.scheme == "https"
    )


def sign_out(request: Request[Any, Any, Any]) -> Cookie:
    """The cookie that takes the other one away."""
    secure = request.url.scheme == "https"
    return Cookie(COOKIE, value="", httponly=True, samesite="strict", path="/", secure=secure, max_age=0)


def _token_of(connection: ASGIConnection) -> str:
    cookie = connection.cookies.get(COOKIE, "")
    reading = isinstance(connection, Request) and connection.method in ("GET", "HEAD")
    return cookie if cookie and reading and "authorization" not in connection.headers else bearer(connection)
