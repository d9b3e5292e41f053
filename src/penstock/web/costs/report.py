"""What was spent on some days, as a call."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.ranges import days_of
from penstock.hub.costs.report import report
from penstock.reports.costs import BY_BRANCH, KEYS
from penstock.web.costs.asks import Ask
from penstock.web.documents import END, Count, Document, chosen


def list_of(names: Iterable[str]) -> str:
    """What a list of some of these names looks like, with commas between."""
    some = "|".join(names)
    return f"({some})(,({some})){{0,7}}"


BY = rf"^({list_of(k for k in KEYS if k != 'branch')}|{list_of(BY_BRANCH)}){END}"
By = Annotated[
    str,
    Meta(
        pattern=BY,
        description="What to group by, with commas between; a branch goes with project, month and day alone.",
        examples=["project,month"],
    ),
]


class WhichCosts(Document):
    """Days `since` to `until`, both included, UTC; this month up to today where they are left out. Only the `top` dearest rows."""

    by: By = "project"
    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET
    top: Count | UnsetType = UNSET


class CostLine(Document):
    """What was spent on what agrees in `of`, "" = it belongs to none. `marginal`, `passed` and `held_s` are null where
    branches are asked for. `held_s`: how long slots were held."""

    of: dict[str, str]
    direct: str
    idle: str
    lifecycle: str
    overhead: str
    storage: str
    egress: str
    total: str
    marginal: str | None
    loaded: str
    attempts: int
    passed: int | None
    held_s: float | None


class OtherCosts(CostLine):
    """Rows that are not shown, `rows` of them, added up."""

    rows: int


class Costs(Document):
    """What was spent from the day `since` to the day `until`. `definitions` say what columns mean.

    `unentered`: what has run up on machines and is in no row yet, null where these days do not hold this moment."""

    schema: int
    since: str
    until: str
    currency: str
    entered_until_s: float | None
    unentered: str | None
    by: list[str]
    rows: list[CostLine]
    others: OtherCosts | None
    total: CostLine
    definitions: dict[str, str]


def _answered(hub: Hub, asked: WhichCosts) -> dict[str, Any]:
    days = days_of(hub, chosen(asked.since), chosen(asked.until))
    return report(hub, days, list(dict.fromkeys(asked.by.split(","))), chosen(asked.top))


ASKS = {
    "report": Ask(
        text="What was spent, by project, branch, platform, pool, offer, class, month, day or outcome.",
        run=_answered,
        query=WhichCosts,
        answer=Costs,
    )
}
