"""Tokens of people and programs: made once, kept as digests, refused when they expired, were revoked, or belong to
another incarnation of the farm."""

import hmac
import re

import msgspec

from penstock.hub.context import Hub, Unauthorized
from penstock.hub.sessions import digest
from penstock.hub.steps import Step, change, look
from penstock.model.farm import Event, Farm
from penstock.model.people import Role, Token
from penstock.ports import Tx

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""How users and tokens may be called: in sentences, addresses and rules of farm.toml alike."""


def create(hub: Hub, user: str, role: Role, valid_ms: int, name: str = "") -> str:
    """A new token; its secret is returned here and never again. `valid_ms` of farm time, 0 = until it is revoked.

    Raises ValueError for a name that is none, or a time below 0.
    """
    _check(user, name, valid_ms)
    secret = hub.entropy.token(32)

    def write(step: Step) -> str:
        token = f"{step.farm.incarnation}-{secret}"
        step.tx.insert(
            Token(
                digest=digest(token),
                user=user,
                name=name,
                role=role,
                created_ms=step.wall_ms,
                created_farm_ms=step.now_ms,
                expires_ms=step.now_ms + valid_ms if valid_ms else 0,
            )
        )
        step.tell(Event(kind="token", state="created", reason=f"{user} {name} {role}".replace("  ", " ")))
        return token

    return change(hub, write)


def listing(hub: Hub) -> list[Token]:
    """All tokens that were ever made, by user and name."""
    return hub.store.read(lambda tx: tx.find(Token, "user"))


def revoke(hub: Hub, user: str, name: str) -> int:
    """Revoke the tokens of this user with this name. Returns how many were still good for something."""

    def write(step: Step) -> int:
        mine = [token for token in step.tx.find(Token, "user", user, name) if not token.revoked]
        for token in mine:
            step.put(msgspec.structs.replace(token, revoked=True))
        if mine:
            step.tell(Event(kind="token", state="revoked", reason=f"{user} {name}".strip()))
        return len(mine)

    return change(hub, write)


def who(hub: Hub, token: str) -> Token:
    """Whose token this is. Raises Unauthorized, which says what is wrong with it only to those who have it.

    It is found by its digest, so how long that takes says nothing of the secret.
    """
    asked = digest(token)

    def read(tx: Tx, farm: Farm) -> Token:
        found = tx.get(Token, asked)
        if found is None or not hmac.compare_digest(found.digest, asked):
            raise Unauthorized("nobody has this token")
        if not token.startswith(farm.incarnation + "-"):
            raise Unauthorized("the token is from before the farm was restored or copied: ask for a new one")
        if found.revoked:
            raise Unauthorized("the token is revoked")
        if found.expires_ms and found.expires_ms <= farm.time_ms:
            raise Unauthorized("the token has expired: ask for a new one")
        return found

    return look(hub, read)


def _check(user: str, name: str, valid_ms: int) -> None:
    for what, text in (("user", user), ("name", name)):
        if not NAME.fullmatch(text) and (text or what == "user"):
            raise ValueError(
                f"{what} {text!r}: write at most 64 letters, digits, '.', '_', '-', '@' or '+', a letter or digit first"
            )
    if valid_ms < 0:
        raise ValueError("a token cannot have expired before it is made")
