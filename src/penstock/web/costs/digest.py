"""The letter of the morning, as a call."""

from datetime import date
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.digest import digest
from penstock.model.states import GuardState
from penstock.reports.costs import day_number
from penstock.web.costs.asks import Ask
from penstock.web.costs.budgets import BudgetLine
from penstock.web.costs.forecast import Foreseen
from penstock.web.costs.grants import GrantLine
from penstock.web.costs.waste import WasteLine
from penstock.web.documents import Document


class WhichDay(Document):
    """A day, UTC; the last one that has ended where it is left out."""

    day: date | UnsetType = UNSET


class PoolDay(Document):
    """What was spent in a pool, "" = in none; `usual`: the median of the same weekday in the `weeks` before."""

    pool: str
    spent: str
    usual: str
    weeks: int


class Moved(Document):
    """What costs more or less than on the same day a week before."""

    pool: str
    project: str
    before: str
    now: str
    change: str
    cause: Literal["new", "gone", "quantity", "price", "mix"]


class ForecastLine(Document):
    """What this year and the next will cost, from the rate of the last `window_days` whole days."""

    rate_per_day: str
    window_days: int
    data_through: str | None
    this_year: Foreseen
    next_year: Foreseen


class GuardLine(Document):
    """A guard that is not on standby."""

    name: str
    state: GuardState
    reason: str
    next: str


class BilledMonth(Document):
    """The month of the newest bill, pools that it bills: `residual` is what was billed and not metered. `alarms`: days to look at."""

    month: str
    billed: str
    metered: str
    residual: str
    alarms: int


class Digest(Document):
    """What the day `day` cost beside what is usual; credits, budgets, forecast, guards and bills as they are now.

    `forecast` and `bills` are null where there are none. `missing` says what could not be told, and why."""

    schema: int
    farm: str
    currency: str
    day: str
    entered_until_s: float | None
    spent: str
    usual: str
    weeks: int
    pools: list[PoolDay]
    movers: list[Moved]
    waste: list[WasteLine]
    credits: list[GrantLine]
    budgets: list[BudgetLine]
    forecast: ForecastLine | None
    guards: list[GuardLine]
    bills: BilledMonth | None
    missing: list[str]


def _answered(hub: Hub, asked: WhichDay) -> dict[str, Any]:
    return digest(hub, None if isinstance(asked.day, UnsetType) else day_number(asked.day))


ASKS = {
    "digest": Ask(
        text="What a day cost and how things stand: what `penstock costs digest` makes a letter of.",
        run=_answered,
        query=WhichDay,
        answer=Digest,
    )
}
