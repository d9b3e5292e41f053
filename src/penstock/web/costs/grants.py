"""Sponsored credits, as a call."""

from typing import Literal

from penstock.hub.costs.grants import grants
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document


class GrantLine(Document, rename={"since": "from"}):
    """One grant, from the day `from` to the day `until`; without `pools` it pays for all that is rented.

    `used`: what it paid since the books began, or since `known_from` where the grant is older than they are. `a_day`: the mean of
    what it paid on the last whole days. At the present rate it is `used_up_on` that day, null: never; and `ends_unused` is
    what is lost on its last day, null where that is years away."""

    name: str
    currency: str
    since: str
    until: str
    pools: list[str]
    state: Literal["coming", "paying", "used up", "ended"]
    amount: str
    used: str
    left: str
    a_day: str
    used_up_on: str | None
    ends_unused: str | None
    known_from: str | None


class GrantMove(Document):
    """What runs in `pool` moves to the pool `to` on that day, because `grant` pays there. `price_ratio`: of their slots' prices."""

    on: str
    pool: str
    to: str
    grant: str
    price_ratio: float


class GrantStretch(Document, rename={"since": "from"}):
    """Days on which a pool is `paid_by` a grant, null: in cash; `until` null: and on. `pool` "": of no pool in particular."""

    pool: str
    paid_by: str | None
    since: str
    until: str | None
    amount: str
    a_month: str


class GrantPlan(Document):
    """How it goes on from today at the present rate until that day: what is due in `cash`, and who pays for what when."""

    until: str
    cash: str
    moves: list[GrantMove]
    stretches: list[GrantStretch]


class Grants(Document):
    """What was spent on what is billed, from the day `since` to today: `cost` = paid by `credits` + paid in `cash`; `own` is what owned
    machines cost beside it. Rates are of the last `rate_days` whole days."""

    schema: int
    today: str
    currency: str
    entered_until_s: float | None
    since: str
    cost: str
    credits: str
    cash: str
    own: str
    rate_days: int
    grants: list[GrantLine]
    plan: GrantPlan
    plan_with_moves: GrantPlan


ASKS = {
    "grants": Ask(
        text="What credits paid and what was due in cash, how long they last, what must move when.",
        run=grants,
        answer=Grants,
    )
}
