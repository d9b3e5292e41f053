"""How budgets stand, as a call."""

from penstock.hub.costs.budgets import budgets
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document


class BudgetLine(Document, rename={"since": "from"}):
    """One budget in its `period`, the days `from` to `until`. Amounts are decimal strings, of money or of minutes; `left` is below 0
    where more was used. `share`: used of the amount. `a_day`: the mean of the last whole days; at that rate it is
    `used_up_on` that day, null: it lasts. `known_from`: the books begin then, after the period did."""

    name: str
    unit: str
    per: str
    pools: list[str]
    period: str
    since: str
    until: str
    amount: str
    used: str
    left: str
    share: float
    a_day: str
    used_up_on: str | None
    known_from: str | None


class Budgets(Document):
    """How budgets stand `today`, up to the moment until which usage is entered. Rates are of the last `rate_days` whole days."""

    schema: int
    today: str
    currency: str
    entered_until_s: float | None
    rate_days: int
    budgets: list[BudgetLine]


ASKS = {"budgets": Ask(text="How budgets of money and of minutes stand.", run=budgets, answer=Budgets)}
