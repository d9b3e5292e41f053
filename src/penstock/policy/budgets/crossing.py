"""How far grants and budgets are used, and whether a guard's limit is crossed."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from penstock.model.curb import Figure
from penstock.model.rules import Guard, Rules

HUNDRED = Decimal(100)
ENDLESS = Decimal(1_000_000)
"""Per cent of nothing, where anything was used."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a guard sees: the figure that counts, how much of it is used in per cent, and whether its limit is crossed."""

    figure: Figure
    basis: str
    limit: Decimal
    percent: Decimal
    crossed: bool

    def said(self) -> str:
        """As a clause: what is how much of what."""
        figure = self.figure
        value = figure.forecast if self.basis == "forecast" else figure.used
        what = "the forecast of" if self.basis == "forecast" else "use of"
        return (
            f"{what} {figure.budget} is {value:.2f} of {figure.amount:.2f} {figure.unit}, {self.percent:.1f} % "
            f"(the limit is {self.limit} %)"
        )


def condition(when: str) -> tuple[str, Decimal]:
    """Which figure a guard looks at ("forecast", "actual"), and the limit in per cent. `when` is as farm.toml takes it."""
    basis, _, limit = when.partition(">")
    return basis.strip(), Decimal(limit.strip().rstrip("%").strip())


def watched(guard: Guard, rules: Rules) -> tuple[str, ...]:
    """The grants and budgets that a guard looks at: the one that it names, else each grant and each budget of money."""
    if guard.budget:
        return (guard.budget,)
    grants = [grant.name for grant in rules.grants]
    return (*grants, *(budget.name for budget in rules.budgets if budget.unit == "money"))


def read(guard: Guard, rules: Rules, figures: Mapping[str, Figure]) -> Reading | None:
    """What the guard sees: of several grants and budgets the one of which most is used; None where nothing is known."""
    basis, limit = condition(guard.when)
    found = [
        reading
        for name in watched(guard, rules)
        if name in figures and (reading := _read(figures[name], basis, limit)) is not None
    ]
    return max(found, key=lambda one: one.percent, default=None)


def _read(figure: Figure, basis: str, limit: Decimal) -> Reading | None:
    value = figure.forecast if basis == "forecast" else figure.used
    if value is None:
        return None
    if figure.amount:
        percent = value * HUNDRED / figure.amount
    else:
        percent = ENDLESS if value > 0 else Decimal(0)
    return Reading(
        figure=figure,
        basis=basis,
        limit=limit,
        percent=percent,
        crossed=percent > limit if not figure.amount else value * HUNDRED > limit * figure.amount,
    )
