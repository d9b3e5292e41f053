"""What was asked for beside what was used, as a call."""

from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.ranges import days_of
from penstock.hub.costs.rightsize import rightsize
from penstock.reports.rightsize import MARGIN_PERCENT
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document, chosen


class WhichSizes(Document):
    """So many days up to `until`, today where it is left out; and how much more than what was used is to be left, in percent."""

    days: Annotated[int, Meta(ge=1, le=3660)] = 28
    until: date | UnsetType = UNSET
    margin: Annotated[int, Meta(ge=0, le=1000)] = MARGIN_PERCENT


class FitLine(Document):
    """One job on one platform. `cores` and `memory_mb` are recommended, null where `why` says why nothing is."""

    project: str
    name: str
    platform: str
    attempts: int
    measured: int
    asked_cores: int
    asked_memory_mb: int | None
    p95_memory_mb: int | None
    most_memory_mb: int | None
    p95_cores: float | None
    cores: int | None
    memory_mb: int | None
    why: str
    cost: str
    saving: str


class PoolFit(Document):
    """One pool: `machines` as its rules say, null where they are rented; `held_share` of all slot time that was there."""

    pool: str
    machines: int | None
    slots: int
    machine_cores: int | None
    p95_slots_held: float
    p95_machines_up: float
    needed: int
    p95_cores_at_work: float | None
    held_share: float | None


class Sizes(Document):
    """Jobs, the largest saving first, and pools. `definitions` say how figures are reckoned."""

    schema: int
    since: str
    until: str
    currency: str
    margin_percent: int
    resolution_percent: int
    saving: str
    jobs: list[FitLine]
    pools: list[PoolFit]
    definitions: dict[str, str]


def _answered(hub: Hub, asked: WhichSizes) -> dict[str, Any]:
    return rightsize(hub, days_of(hub, None, chosen(asked.until), days=asked.days), asked.margin)


ASKS = {
    "rightsize": Ask(
        text="What jobs and machines asked for beside what they used, and what smaller sizes would save.",
        run=_answered,
        query=WhichSizes,
        answer=Sizes,
    )
}
