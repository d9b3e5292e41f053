"""What guards of budgets see, and what they keep from happening, as policies are told."""

from decimal import Decimal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """How far one grant or budget is used in the period that runs: `used` and `forecast` of `amount`, all in `unit` (a
    currency, or "minutes"). `period`: its first day; `forecast`: what it comes to at its end, None = not known."""

    budget: str
    period: str
    amount: Decimal
    used: Decimal
    forecast: Decimal | None = None
    unit: str = ""

    @property
    def key(self) -> str:
        """The budget and its period in one word or two."""
        return f"{self.budget} {self.period}"


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A pool that a person has stopped, since `since_ms` of farm time: nothing starts there, what runs goes on."""

    pool: str
    since_ms: int
    reason: str
    version: int = 0


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """A pool in which a person lets all machines be deleted that carry this farm's tag and are in no book, until `until_ms`
    of farm time: there were too many of them to do that unasked (I6)."""

    pool: str
    until_ms: int
    reason: str
    version: int = 0


class Curb(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard forbids, since `since_ms` of farm time; `why` it was fired, as a clause. `stopped`: it is no guard, a
    person has stopped that pool.

    `barred`: pools whose machines start nothing. `most`: rented pools, each with how many of its machines may be at work
    so that one more is ordered. `off`: classes whose jobs start nowhere. Jobs of the classes in `exempt` are spared. `keeps`:
    machines that sleep in the barred pools stay, for nobody knows whether they are needed.
    """

    guard: str
    since_ms: int = 0
    why: str = ""
    barred: tuple[str, ...] = ()
    most: tuple[tuple[str, int], ...] = ()
    off: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    stopped: str = ""
    keeps: bool = False
