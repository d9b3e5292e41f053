"""The ledger as FOCUS rows, as a call."""

from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.export import export
from penstock.hub.costs.ranges import days_of
from penstock.web.costs.asks import Ask
from penstock.web.costs.waste import WhichDays
from penstock.web.documents import Document, chosen


class Exported(Document):
    """Rows of `form`; of each the columns that are not null. `next`: the day to ask from for the rest, null at the end."""

    schema: int
    form: str
    since: str
    until: str
    next: str | None
    currency: str
    entered_until_s: float | None
    columns: list[str]
    rows: list[dict[str, str]]


def _answered(hub: Hub, asked: WhichDays) -> dict[str, Any]:
    return export(hub, days_of(hub, chosen(asked.since), chosen(asked.until)))


ASKS = {
    "export": Ask(
        text="What was entered, as rows of the FinOps Open Cost and Usage Specification.",
        run=_answered,
        query=WhichDays,
        answer=Exported,
    )
}
