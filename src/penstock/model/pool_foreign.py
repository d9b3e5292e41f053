"""Whose queue a pool of machines serves that run another system's agent (`[pool.serves]` in farm.toml)."""

import msgspec


class Serves(msgspec.Struct, frozen=True, kw_only=True):
    """`url`: of the other system, as its REST interface has it."""

    url: str
