"""Tokens over HTTP: for agents (one-time, of a pool) and for people (a user with a role); listed, revoked.

Each call is one function over the hub, so that the command on a farm that nobody serves uses the same one.
"""

from typing import Any

import msgspec

from penstock.hub import sessions, tokens
from penstock.hub.context import Hub, Refused
from penstock.hub.steps import look
from penstock.model.people import Role, Token
from penstock.web import documents as d
from penstock.web.calls import Call

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


def token_calls(hub: Hub) -> list[Call]:
    """POST and GET /tokens, POST /tokens/revoke, for admins."""
    return [
        Call(
            method="POST",
            path="/api/v1/tokens",
            name="create_token",
            text="Makes a token for an agent's enrolment, or for a person or a program. It is shown once.",
            run=lambda said: create_token(hub, msgspec.to_builtins(said.body)),
            role=Role.ADMIN,
            body=d.NewToken,
            answer=d.MadeToken,
            errors={409: d.Problem},
        ),
        Call(
            method="GET",
            path="/api/v1/tokens",
            name="list_tokens",
            text="All tokens of people and programs, without their secrets.",
            run=lambda said: list_tokens(hub),
            role=Role.ADMIN,
            answer=d.Tokens,
        ),
        Call(
            method="DELETE",
            path="/api/v1/tokens/{user}",
            name="delete_tokens",
            text="As `tokens/revoke`: the tokens of a user with this name are good for nothing any more.",
            run=lambda said: revoke_token(hub, {"user": said.names["user"], "name": said.query.name}),
            role=Role.ADMIN,
            names={"user": d.UserName},
            query=d.NamedSo,
            answer=d.Revoked,
        ),
        Call(
            method="POST",
            path="/api/v1/tokens/revoke",
            name="revoke_token",
            text="Revokes the tokens of a user with this name, at once. A repeat revokes nothing.",
            run=lambda said: revoke_token(hub, msgspec.to_builtins(said.body)),
            role=Role.ADMIN,
            body=d.WhichTokens,
            answer=d.Revoked,
        ),
    ]
