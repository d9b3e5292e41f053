"""What was used on some days, as a call."""

from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.ranges import days_of
from penstock.hub.costs.use import use
from penstock.reports.pace import WINDOW_DAYS
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document, chosen


class WhichUse(Document):
    """Days `since` to `until`, both included, UTC; the last 28 where they are left out, as far as they are entered."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


class PoolUse(Document):
    """How long slots of a pool were held, and its machines ran and were suspended, summed over them, and how many bytes left it;
    what that came to: `machines` with idle time and starts, of which `rounding` is what its provider rounds up. `slots` and `speed` are as now."""

    pool: str
    platforms: list[str]
    slots: int
    speed: float
    owned: bool
    held_s: float
    running_s: float
    stopped_s: float
    egress_bytes: int
    machines: str
    rounding: str
    egress: str


class UseDocument(Document):
    """What was used from the day `since` to the day `until`, `days` of them, whole ones, null where none is entered;
    `storage_byte_days`: bytes that were kept, summed over days."""

    schema: int
    since: str | None
    until: str | None
    days: int
    currency: str
    entered_until_s: float | None
    pools: list[PoolUse]
    charges: str
    storage: str
    storage_byte_days: int


def _answered(hub: Hub, asked: WhichUse) -> dict[str, Any]:
    return use(hub, days_of(hub, chosen(asked.since), chosen(asked.until), WINDOW_DAYS + 1))


ASKS = {
    "use": Ask(
        text="Machine-hours and bytes of each pool on some days, and what they came to: for other prices.",
        run=_answered,
        query=WhichUse,
        answer=UseDocument,
    )
}
