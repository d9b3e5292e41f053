"""What this year and the next will cost, as a call."""

from typing import Annotated, Any

from msgspec import Meta

from penstock.hub.context import Hub, Refused
from penstock.hub.costs.forecast import forecast
from penstock.reports.forecast.blocks import MOST
from penstock.reports.forecast.figures import Unanswerable
from penstock.reports.forecast.what_if import changes_of
from penstock.web.costs.asks import Ask
from penstock.web.documents import END, Document, Problem

WINDOW_DAYS = 28
Window = Annotated[
    int, Meta(ge=1, le=MOST, description="The rate is the mean of so many last whole days.", examples=[28])
]


ONE_CHANGE = r"[^,=\x00-\x1f\x7f]{1,100}=x[0-9]{1,9}(\.[0-9]{1,6})?"
WhatIf = Annotated[
    str,
    Meta(
        pattern=f"^({ONE_CHANGE}(,{ONE_CHANGE}){{0,19}})?{END}",
        description="How many times as much of a pool is used from now on, with commas between; x0 is switched off.",
        examples=["burst=x2,windows=x0"],
    ),
]


class WhichForecast(Document):
    """From how many last days, and what if."""

    window_days: Window = WINDOW_DAYS
    what_if: WhatIf = ""


class Foreseen(Document):
    """What a time will cost, and what is not reached in 10, 50 and 90 of 100 possible courses; null where nobody can say."""

    expected: str | None
    p10: str | None
    p50: str | None
    p90: str | None


class MonthForeseen(Foreseen):
    """The `days` of a month that are still to come."""

    month: str
    days: int


class Retired(Document):
    """A pool whose cost counts as it was, and not in the rate. `in_window`: what it cost in the window."""

    source: str
    why: str
    in_window: str


class UsualDay(Document):
    """A day of the week: the median of what it costs, and the median deviation from that."""

    day: str
    median: str
    deviation: str


class UnusualDay(Document):
    """A day that cost far more or less than its weekday usually does."""

    date: str
    amount: str
    usual: str


class Shift(Document):
    """The strongest change of level. `in_window`: the window of the rate reaches over it."""

    since: str
    before_per_day: str
    after_per_day: str
    in_window: bool


class Season(Document):
    """A time of farm.toml's calendar with `factor` times the usual use."""

    name: str
    since: str
    until: str
    factor: float


class Source(Document):
    """A pool, or what is of none such as "(overhead)", and what it cost a day in the window."""

    source: str
    per_day: str
    is_retired: bool


class Forecast(Document):
    """The forecast from the ledger. Only whole days up to `data_through` are used; money is null where there is none.

    `this_year` includes `so_far`; `months` are what is still to come. `billed_days`: for how many days of a pool its bill
    was taken instead of what was metered. `what_if`: how many times as much was reckoned with. `unknown`: what these figures cannot say."""

    schema: int
    currency: str
    formula: str
    data_through: str | None
    books_from: str | None
    window_days: int
    rate_per_day: str | None
    so_far: str | None
    this_year: Foreseen
    next_year: Foreseen
    next_year_days: int
    block_days: int | None
    months: list[MonthForeseen]
    retired: list[Retired]
    weekdays: list[UsualDay]
    unusual: list[UnusualDay]
    shift: Shift | None
    calendar: list[Season]
    billed_days: dict[str, int]
    sources: list[Source]
    what_if: dict[str, float]
    unknown: list[str]


def _answered(hub: Hub, asked: WhichForecast) -> dict[str, Any]:
    try:
        times = changes_of(asked.what_if.split(",") if asked.what_if else [], [])
    except Unanswerable as wrong:
        raise Refused(f"{wrong.what}; {wrong.instead}", stop=False) from None
    return forecast(hub, asked.window_days, times)


ASKS = {
    "forecast": Ask(
        text="What this year and the next will cost, with what is not known.",
        run=_answered,
        query=WhichForecast,
        answer=Forecast,
        errors={404: Problem, 409: Problem},
    )
}
