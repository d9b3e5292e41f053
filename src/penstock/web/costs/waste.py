"""Waste, and what costs more or less than before, as calls."""

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.ranges import FIRST, days_of
from penstock.hub.costs.reading import Days
from penstock.hub.costs.waste import movers, waste
from penstock.reports.costs import KEYS, day_number
from penstock.web.costs.asks import Ask
from penstock.web.costs.report import list_of
from penstock.web.documents import END, Document, Limit, chosen

MOVED_BY = tuple(name for name in KEYS if name not in ("branch", "offer", "month", "day"))
"""Nothing moves by time itself, and tallies know no branches."""
By = Annotated[str, Meta(pattern=rf"^{list_of(MOVED_BY)}{END}", examples=["project,pool"])]


class WhichDays(Document):
    """Days `since` to `until`, both included, UTC; this month up to today where they are left out."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


class WasteLine(Document):
    """One kind of waste; `share` of all that was spent, null where nothing was. `what` says which it is."""

    kind: Literal["idle", "lifecycle", "lost", "dropped", "flaky"]
    amount: str
    share: float | None
    what: str


class WasteDocument(Document):
    """What was spent on what came to nothing, beside all that was `spent`."""

    schema: int
    since: str
    until: str
    currency: str
    spent: str
    waste: list[WasteLine]


class WhichMovers(WhichDays):
    """Beside as many days from `before` on, or those just before where it is left out."""

    by: By = "project"
    before: date | UnsetType = UNSET
    top: Limit = 20


class Range(Document):
    """Days, both included."""

    since: str
    until: str


class MoverLine(Document):
    """One row. `quantity`, `price` and `mix` sum up to the `change`; `cause` is the largest of them, or it is new or gone."""

    of: dict[str, str]
    before: str
    now: str
    change: str
    quantity: str
    price: str
    mix: str
    cause: Literal["new", "gone", "quantity", "price", "mix"]


class Movers(Document):
    """The largest changes; `others` changed as well. `change` is that of everything. `warnings`: what makes it less sure."""

    schema: int
    since: str
    until: str
    before: Range
    currency: str
    by: list[str]
    change: str
    movers: list[MoverLine]
    others: int
    warnings: list[str]


def _waste(hub: Hub, asked: WhichDays) -> dict[str, Any]:
    return waste(hub, days_of(hub, chosen(asked.since), chosen(asked.until)))


def _movers(hub: Hub, asked: WhichMovers) -> dict[str, Any]:
    days = days_of(hub, chosen(asked.since), chosen(asked.until))
    length = max(0, days.end - days.first)
    first = days.first - length if isinstance(asked.before, UnsetType) else day_number(asked.before)
    before = Days(max(FIRST, first), max(FIRST, first) + length)
    return movers(hub, days, before, list(dict.fromkeys(asked.by.split(","))), asked.top)


ASKS = {
    "waste": Ask(
        text="What was spent on what came to nothing.", run=_waste, query=WhichDays, answer=WasteDocument
    ),
    "movers": Ask(
        text="What costs more or less than before, and why: quantity, price or mix.",
        run=_movers,
        query=WhichMovers,
        answer=Movers,
    ),
}
