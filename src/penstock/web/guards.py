"""Who may call: the Host header, people's tokens, and what the answer says to browsers."""

import hashlib
import hmac
from collections.abc import Collection

from litestar.connection import ASGIConnection, Request
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

COOKIE = "penstock"

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; style-src-attr 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Sent with every answer: what a job printed must never run in a reader's browser."""


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


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
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": b"unknown host\n", "more_body": False})

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


def people_only(connection: ASGIConnection, _: BaseRouteHandler) -> None:
    """A guard: the operator's token, as bearer or (to read only) as the page's cookie. Raises 401."""
    expected: str = connection.app.state.operator_digest
    cookie = connection.cookies.get(COOKIE, "")
    reading = isinstance(connection, Request) and connection.method in ("GET", "HEAD")
    token = cookie if cookie and reading and "authorization" not in connection.headers else bearer(connection)
    if not hmac.compare_digest(digest_of(token), expected):
        raise NotAuthorizedException("this token is not the operator's")
