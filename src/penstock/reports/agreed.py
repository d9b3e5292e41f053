"""How far what was agreed is used: grants, and budgets of money or minutes, each in the period that runs, with a forecast
of its end. What guards decide on.

Used is what was entered and what has run up since. The forecast is what the whole days of the period came to and what
the days to come are expected to, as reports/forecast counts them. A grant is used by what its pools cost on its days
less what other grants paid of that; so it can be used beyond its amount.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from penstock.model.curb import Figure
from penstock.model.ledger import Tally
from penstock.model.rules import Budget, Grant, Rules
from penstock.model.units import MICROS_PER_UNIT
from penstock.reports import budgets
from penstock.reports.costs import day_text
from penstock.reports.credits import Cost, Credit, costs_of, credits_of, settle
from penstock.reports.forecast.blocks import MOST
from penstock.reports.forecast.ledger import Past, band_until, expected_until
from penstock.reports.pace import WINDOW_DAYS

ENDED = "ended"
"""The period of a grant whose last day has passed: nothing of it is used any more."""
Amounts = Mapping[str, Mapping[int, int]]
"""What counts, by pool and day."""


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What is known `today`: sums of all days since `first_day`, and which days, from `first` to the one before `end`, are
    entered as a whole. Days are counted from 1970-01-01 (UTC)."""

    tallies: Sequence[Tally]
    first: int
    end: int
    today: int


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """A period from the day `first` to the one before `end`; what days from `from_day` on came to says how it goes on."""

    first: int
    end: int
    from_day: int


def first_day(rules: Rules, today: int) -> int:
    """From which day on sums must be known for all figures."""
    begun = [one.first for one in credits_of(rules.grants, ())]
    periods = [budgets.period(budget.per, today).first for budget in rules.budgets]
    return min([today - WINDOW_DAYS, *begun, *periods])


def figures(rules: Rules, books: Books) -> dict[str, Figure]:
    """How far each grant and each budget is used, by name."""
    found = {budget.name: _of_budget(budget, rules, books) for budget in rules.budgets}
    costs = costs_of(books.tallies)
    owned = {pool.name for pool in rules.pools if pool.provider in ("owned", "local")}
    known = credits_of(rules.grants, owned)
    drawn = settle(costs, known).drawn
    by_name = {one.name: one for one in known}
    for grant in rules.grants:
        credit, claim = by_name[grant.name], defaultdict(int, _covered(by_name[grant.name], costs))
        for draw, amount in drawn.items():
            if draw.grant != grant.name and credit.lives(draw.day) and credit.covers(draw.pool):
                claim[Cost(draw.day, draw.pool)] -= amount
        found[grant.name] = _of_grant(grant, credit, claim, rules, books)
    return found


def bands(rules: Rules, books: Books) -> dict[str, tuple[Decimal, Decimal]]:
    """How far the forecasts of budgets may be off, by name: what is not reached in 10, and in 90 of 100 possible courses.

    Drawn from all days that are known, a year at most; a budget is left out where they are too few, or used nothing."""
    found = {}
    for budget in rules.budgets:
        now = budgets.period(budget.per, books.today)
        amounts = _by_pool(budget, books)
        past = _past(amounts, max(books.first, books.end - MOST), rules, books)
        band = band_until(past, rules.calendar, WINDOW_DAYS, now.end) if past is not None else None
        if band is not None:
            used = _sum(amounts, now.first, books.today + 1)
            so_far = _sum(amounts, now.first, min(books.end, now.end))
            low, high = (
                budgets.in_unit(budget, Fraction(max(used, so_far + coming)))
                for coming in (band.p10, band.p90)
            )
            found[budget.name] = low, high
    return found


def _by_pool(budget: Budget, books: Books) -> Amounts:
    mine: defaultdict[str, list[Tally]] = defaultdict(list)
    for tally in books.tallies:
        mine[tally.pool].append(tally)
    return {pool: budgets.daily(budget, found) for pool, found in mine.items()}


def _covered(credit: Credit, costs: Mapping[Cost, int]) -> dict[Cost, int]:
    """Costs that a credit is for."""
    return {cost: n for cost, n in costs.items() if credit.lives(cost.day) and credit.covers(cost.pool)}


def _of_budget(budget: Budget, rules: Rules, books: Books) -> Figure:
    now = budgets.period(budget.per, books.today)
    days = Days(first=now.first, end=now.end, from_day=first_day(rules, books.today))
    used, forecast = _use(_by_pool(budget, books), days, rules, books)
    return Figure(
        budget=budget.name,
        period=day_text(now.first),
        amount=budget.amount,
        used=budgets.in_unit(budget, Fraction(used)),
        forecast=None if forecast is None else budgets.in_unit(budget, Fraction(forecast)),
        unit=rules.currency if budget.unit == "money" else budget.unit,
    )


def _of_grant(grant: Grant, credit: Credit, claim: Mapping[Cost, int], rules: Rules, books: Books) -> Figure:
    if books.today > credit.last:
        return Figure(
            budget=grant.name, period=ENDED, amount=grant.amount, used=Decimal(0), unit=grant.currency
        )
    amounts: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for cost, amount in claim.items():
        amounts[cost.pool][cost.day] = amount
    days = Days(first=credit.first, end=credit.last + 1, from_day=credit.first)
    used, forecast = _use(amounts, days, rules, books)
    return Figure(
        budget=grant.name,
        period=grant.start,
        amount=grant.amount,
        used=_money(used),
        forecast=None if forecast is None else _money(forecast),
        unit=grant.currency,
    )


def _use(amounts: Amounts, days: Days, rules: Rules, books: Books) -> tuple[int, int | None]:
    """What is used of a period up to now, and what it comes to at its end; None without a whole day to go by."""
    used = _sum(amounts, days.first, books.today + 1)
    past = _past(amounts, max(books.first, days.from_day, books.end - WINDOW_DAYS), rules, books)
    if past is None:
        return used, None
    coming = expected_until(past, rules.calendar, WINDOW_DAYS, days.end)
    return used, max(used, _sum(amounts, days.first, min(books.end, days.end)) + coming)


def _past(amounts: Amounts, begin: int, rules: Rules, books: Books) -> Past | None:
    """The whole days from `begin` on; None where there is none."""
    if books.end <= begin:
        return None
    there = {pool.name for pool in rules.pools}
    return Past(
        first=begin,
        end=books.end,
        begun=books.first,
        amounts={
            pool: tuple(of.get(day, 0) for day in range(begin, books.end))
            for pool, of in sorted(amounts.items())
        },
        retired={pool: "not in farm.toml any more" for pool in amounts if pool and pool not in there},
    )


def _sum(amounts: Amounts, first: int, end: int) -> int:
    return sum(n for of in amounts.values() for day, n in of.items() if first <= day < end)


def _money(amount_micros: int) -> Decimal:
    return Decimal(amount_micros) / MICROS_PER_UNIT
