"""What a guard keeps from happening now, as policies are told."""

import msgspec


class Curb(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard forbids, since `since_ms` of farm time; `why` it was fired, as a clause.

    `barred`: pools whose machines start nothing. `most`: rented pools, each with how many of its machines may be at work
    so that one more is ordered. `off`: classes whose jobs start nowhere. Jobs of the classes in `exempt` are spared.
    """

    guard: str
    since_ms: int = 0
    why: str = ""
    barred: tuple[str, ...] = ()
    most: tuple[tuple[str, int], ...] = ()
    off: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
