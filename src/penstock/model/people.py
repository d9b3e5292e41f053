"""People and programs that call the hub: their tokens, and what each role may do."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a token is for; each role may do all that those before it may."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    ADMIN = "admin"


ROLES = tuple(Role)
"""From least to most."""


def may(role: Role, needed: Role) -> bool:
    """True when a token of `role` may do what asks for `needed`."""
    return ROLES.index(role) >= ROLES.index(needed)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a person or a program, hashed. `name` tells a user's tokens apart.

    `expires_ms` and `created_farm_ms` are farm time (0 = never expires), `created_ms` is the wall clock's label.
    """

    digest: str
    user: str
    name: str = ""
    role: Role = Role.VIEWER
    created_ms: int = 0
    created_farm_ms: int = 0
    expires_ms: int = 0
    revoked: bool = False
    version: int = 0
