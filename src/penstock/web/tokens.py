"""Tokens over HTTP: for agents (one-time, of a pool) and for people (a user with a role); listed, revoked.

Each call is one function over the hub, so that the command on a farm that nobody serves uses the same one.
"""

from typing import Any

from litestar import Router, get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from penstock.hub import sessions, tokens
from penstock.hub.context import Hub, Refused
from penstock.hub.steps import look
from penstock.model.people import Role, Token
from penstock.web.guards import people_only

Document = dict[str, Any]


def create_token(hub: Hub, asked: Document) -> Document:
    """{"pool"} or {"user", "role", "valid_ms", "name"} -> {"token"}. Raises Refused for what makes no sense."""
    try:
        if asked.get("pool"):
            return {"token": sessions.create_token(hub, str(asked["pool"]))}
        role = Role(str(asked.get("role", "")))
        valid_ms = int(asked.get("valid_ms", 0))
        return {
            "token": tokens.create(
                hub, str(asked.get("user", "")), role, valid_ms, str(asked.get("name", ""))
            )
        }
    except (ValueError, TypeError) as wrong:
        raise Refused(str(wrong), stop=False) from wrong


def list_tokens(hub: Hub) -> Document:
    """{"tokens": [...]}: whose, for what, since when, until when; never the token itself."""
    farm = look(hub, lambda tx, row: row)
    found = tokens.listing(hub)
    return {"tokens": [_shown(one, farm.time_ms, hub.clock.wall_ms()) for one in found]}


def revoke_token(hub: Hub, asked: Document) -> Document:
    """{"user", "name"} -> {"revoked": how many}."""
    return {"revoked": tokens.revoke(hub, str(asked.get("user", "")), str(asked.get("name", "")))}


def _shown(token: Token, now_ms: int, wall_ms: int) -> Document:
    """`ends_s`: as far as it can be foretold, for it is counted in farm time, which may stand still."""
    ends_ms = wall_ms + token.expires_ms - now_ms if token.expires_ms else None
    return {
        "user": token.user,
        "name": token.name,
        "role": str(token.role),
        "created_s": token.created_ms / 1000,
        "ends_s": None if ends_ms is None else ends_ms / 1000,
        "revoked": token.revoked,
    }


def tokens_router(hub: Hub) -> Router:
    """POST /tokens, GET /tokens, POST /tokens/revoke."""

    @post("/tokens", sync_to_thread=True, status_code=HTTP_200_OK, operation_id="create_token")
    def create(data: JSONBody[dict[str, Any]]) -> Document:
        return create_token(hub, data)

    @get("/tokens", sync_to_thread=True, operation_id="list_tokens")
    def listing() -> Document:
        return list_tokens(hub)

    @post("/tokens/revoke", sync_to_thread=True, status_code=HTTP_200_OK, operation_id="revoke_token")
    def revoke(data: JSONBody[dict[str, str]]) -> Document:
        return revoke_token(hub, data)

    return Router("/api/v1", guards=[people_only], route_handlers=[create, listing, revoke])
