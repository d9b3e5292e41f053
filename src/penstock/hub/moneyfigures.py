"""Figures of money for a monitoring system: what was spent and is left, what is forecast, and what bills say to it.

Most is reckoned anew for each answer from sums that are kept; forecasts and bills seldom, because they are read at length.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from penstock.hub.context import Hub
from penstock.hub.costs.agreed import Agreed
from penstock.hub.costs.reconciling import reconcile
from penstock.hub.families import Sample
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Bill, Ledger, Meter, Tally, day_of
from penstock.model.rules import Budget, Rules
from penstock.model.units import DAY_MS, micros, seconds
from penstock.policy.charging.meters import OWN, Moment, terms_of
from penstock.policy.charging.unentered import unentered
from penstock.ports import Tx
from penstock.reports import budgets
from penstock.reports.agreed import Books, bands, figures
from penstock.reports.costs import day_number
from penstock.reports.credits import Cost, credits_of, settle
from penstock.reports.forecast.blocks import MOST

SELDOM_MS = 60_000
"""So often forecasts are made anew, and it is looked whether there are other bills, by the monotonic clock."""
SECONDS_PER_MINUTE = 60
PERCENT = 100
EDGES = ("p10", "p90")
"""Quantiles of a forecast, as monitoring systems write them."""
Daily = Mapping[tuple[int, str], tuple[int, int]]
"""By day and pool: micro-units, and milliseconds that slots were held."""


def money(hub: Hub, tx: Tx, farm: Farm, daily: Daily | None) -> list[Sample]:
    """What is known now; without sums (`daily`) only what bills say of themselves."""
    bills = list(_of_bills(tx))
    if daily is None:
        return bills
    at = Moment(hub.clock.wall_ms(), farm.time_ms)
    return [
        *bills,
        *_of_meters(tx.find(Meter, "key"), hub.rules, at),
        *_of_budgets(hub.rules.budgets, daily, day_of(at.wall_ms)),
        *_of_grants(hub.rules, daily),
    ]


class Seldom:
    """What is dear to know: how budgets will stand, and how bills agree with what was metered."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._agreed = Agreed()
        self._looked_ms: int | None = None
        self._bills: object = None
        self._residuals: tuple[Sample, ...] = ()
        self.samples: tuple[Sample, ...] = ()

    def look(self) -> None:
        """Bring `samples` up to date, if that is due."""
        now_ms = self._hub.clock.monotonic_ms()
        if self._looked_ms is not None and now_ms - self._looked_ms < SELDOM_MS:
            return
        self._looked_ms = now_ms
        bills, forecasts = look(self._hub, self._read)
        if bills != self._bills:
            self._residuals, self._bills = tuple(_residuals(self._hub)), bills
        self.samples = (*forecasts, *self._residuals)

    def _read(self, tx: Tx, farm: Farm) -> tuple[object, list[Sample]]:
        """Which bills there are and how far days are entered, by which residuals are known; and how budgets will stand."""
        ledger = tx.get(Ledger, "ledger")
        if ledger is None:
            return None, []
        taken = [(one.id, one.taken_ms) for one in tx.find(Bill, "period", True) if one.taken_ms]
        names = {budget.name for budget in self._hub.rules.budgets}
        books = self._agreed.books(self._hub, tx, farm, MOST) if names else None
        forecasts = [] if books is None else [*_forecasts(self._hub.rules, books)]
        return (taken, ledger.day) if taken else None, forecasts


def _forecasts(rules: Rules, books: Books) -> Iterator[Sample]:
    """How each budget will stand, and how far that may be off."""
    amounts = {budget.name: budget.amount for budget in rules.budgets}
    for name, one in figures(rules, books).items():
        if name in amounts and one.forecast is not None:
            yield Sample("penstock_budget_forecast_ratio", (name,), float(one.forecast / one.amount))
    for name, edges in bands(rules, books).items():
        for edge, amount in zip(EDGES, edges, strict=True):
            ratio = float(amount / amounts[name])
            yield Sample("penstock_budget_forecast_edge_ratio", (name, edge), ratio)


def _residuals(hub: Hub) -> Iterator[Sample]:
    """Of pools with a day that could be held against a bill."""
    for one in reconcile(hub, "")["pools"]:
        if one["days"] and one["residual_percent"] is not None:
            share = one["residual_percent"] / PERCENT
            yield Sample("penstock_bill_residual_ratio", (one["pool"],), share)


def _of_bills(tx: Tx) -> Iterator[Sample]:
    """When the newest of each provider came, and until when they go."""
    there = sorted((bill for bill in tx.find(Bill, "key") if bill.taken_ms), key=_taken)
    for provider, at_ms in {bill.provider: bill.taken_ms for bill in there}.items():
        yield Sample("penstock_bill_taken_timestamp_seconds", (provider,), seconds(at_ms))
    until = {bill.provider: bill.days_until or bill.end for bill in sorted(there, key=_until)}
    for provider, day in until.items():
        yield Sample("penstock_bill_until_timestamp_seconds", (provider,), seconds(day * DAY_MS))


def _taken(bill: Bill) -> int:
    return bill.taken_ms


def _until(bill: Bill) -> int:
    return bill.days_until or bill.end


def _of_meters(meters: Iterable[Meter], rules: Rules, at: Moment) -> Iterator[Sample]:
    terms = {pool.name: terms_of(pool, 0, 0) for pool in rules.pools}
    for pool, amount in sorted(unentered(meters, terms, at).items()):
        yield Sample("penstock_cost_unentered_micros", (pool,), amount)


def _of_budgets(found: Iterable[Budget], daily: Daily, today: int) -> Iterator[Sample]:
    for budget in found:
        now = budgets.period(budget.per, today)
        days = [_as_tally(key, sums) for key, sums in daily.items() if now.first <= key[0] <= today]
        used = budgets.used(budget, days, today)
        yield Sample("penstock_budget_used_ratio", (budget.name,), float(used / budget.amount))
        left = budget.amount - used
        if budget.unit == "money":
            yield Sample("penstock_budget_left_micros", (budget.name,), micros(left))
        else:
            yield Sample("penstock_budget_left_seconds", (budget.name,), float(left * SECONDS_PER_MINUTE))


def _as_tally(key: tuple[int, str], sums: tuple[int, int]) -> Tally:
    """A day of a pool, all accounts in one: as budgets count, which ask for money or for time that slots were held."""
    (day, pool), (amount, held_ms) = key, sums
    return Tally(
        day=day, project="", platform="", pool=pool, klass="", account=Account.DIRECT, outcome="",
        amount_micros=amount, quantity=held_ms,
    )  # fmt: skip


def _of_grants(rules: Rules, daily: Daily) -> Iterator[Sample]:
    own = [pool.name for pool in rules.pools if pool.provider in OWN]
    costs = {Cost(day, pool): amount for (day, pool), (amount, _) in daily.items()}
    left = settle(costs, credits_of(rules.grants, own)).left
    for grant in rules.grants:
        ends_ms = (day_number(date.fromisoformat(grant.until)) + 1) * DAY_MS
        yield Sample("penstock_grant_left_micros", (grant.name,), left.get(grant.name, micros(grant.amount)))
        yield Sample("penstock_grant_ends_timestamp_seconds", (grant.name,), seconds(ends_ms))
