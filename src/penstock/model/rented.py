"""What a provider gives and says: what it offers, what it was asked for, what it has, what it will take back."""

from typing import Literal

import msgspec

from penstock.model.rules import Quantiles

InstanceState = Literal["coming", "up", "stopping", "stopped", "going", "gone"]

TAG_FARM, TAG_INCARNATION, TAG_MACHINE, TAG_POOL = (
    "penstock-farm",
    "penstock-incarnation",
    "penstock-machine",
    "penstock-pool",
)
"""Tags that everything carries that a farm makes at a provider: whose it is, and of which machine's row."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One way to get a machine of a pool now. Prices in micro-units an hour; `resume` None = it cannot be suspended.

    `quota_left`: how many more there may be, None = not known. `reclaimed`: it may be taken away at any time. `speed`: beside
    other offers of its pool.
    """

    name: str
    price_per_hour_micros: int
    stopped_price_per_hour_micros: int | None = None
    boot: Quantiles = Quantiles()
    resume: Quantiles | None = None
    quota_left: int | None = None
    reclaimed: bool = False
    speed: float = 1.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made. Equal `token`: the same machine, however often it is asked for. `secret`: what the machine's
    agent enrols with; it is given to that machine alone. `name`: what people call it. `hub`: the address that it calls."""

    offer: str
    token: str
    tags: dict[str, str]
    secret: str = ""
    name: str = ""
    hub: str = ""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One machine as its provider knows it. `why`: what its provider says about that state, one line, "" = nothing."""

    id: str
    state: InstanceState
    tags: dict[str, str] = {}
    why: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One machine as its provider shows it to whoever asks for it: where it is, and when it was last started (UTC)."""

    instance: Instance
    account: str
    region: str
    started_ms: int


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says it has. Not `complete`: a part did not answer, so what is missing may be there."""

    instances: tuple[Instance, ...] = ()
    complete: bool = True


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that will be taken back in `left_ms`."""

    id: str
    left_ms: int
