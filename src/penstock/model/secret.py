"""Secrets that jobs may be given (`[secret.NAME]` in farm.toml): where each lies and whose jobs get it. Never its value."""

import msgspec


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """One secret. `file`: where the hub reads it, as written; jobs get it only as trusted ones.

    `projects`, `branches` (patterns as in rules) and `classes` say whose jobs; empty = all that are trusted.
    """

    name: str
    file: str
    projects: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
