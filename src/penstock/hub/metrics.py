"""Figures of a farm for a monitoring system: what they are called, what they mean, and what they are now.

How much is read does not depend on the queue: jobs and machines come from the census, what was spent from sums that are
kept; neither is waited for for long, then what was so a moment ago is told.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Literal, NamedTuple

from penstock.hub.census import Census, Figures
from penstock.hub.context import Hub, NotFound
from penstock.hub.spending import Spending
from penstock.hub.steps import look
from penstock.model.counted import Counted
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Bill, Guarding, Ledger, Meter, Tally, day_of
from penstock.model.rules import Budget, Rules
from penstock.model.states import GuardState
from penstock.model.units import DAY_MS, micros, seconds
from penstock.policy.charging.counting import risen
from penstock.policy.charging.meters import OWN, Moment, terms_of
from penstock.policy.charging.unentered import unentered
from penstock.ports import StoreError, Tx
from penstock.reports import budgets
from penstock.reports.costs import day_number
from penstock.reports.credits import Cost, credits_of, settle

PATIENCE_S = 0.01
"""How long an answer waits for figures that are being counted."""
MOST_GROUPS = 100
"""Groups of the queue that are told apart, the largest; the others are added up."""
OTHERS = "(others)"


class Family(NamedTuple):
    """A metric: its type, what its samples are told apart by, and what it means."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str


FAMILIES: dict[str, Family] = {
    "penstock_farm_frozen": Family("gauge", (), "1 while the farm decides nothing until it is thawed."),
    "penstock_jobs": Family("gauge", ("state",), "Jobs that have not ended."),
    "penstock_queue_jobs": Family("gauge", ("platform", "class"), "Jobs that wait for a machine."),
    "penstock_queue_oldest_seconds": Family(
        "gauge", ("platform", "class"), "For how long the oldest of them has been ready."
    ),
    "penstock_machines": Family("gauge", ("pool", "power", "health"), "Machines that are not gone."),
    "penstock_attempts_total": Family(
        "counter", ("pool", "project", "outcome"), "Attempts that have ended, since the ledger began."
    ),
    "penstock_wait_seconds": Family(
        "histogram", ("pool", "class"), "How long jobs that began had been ready, since the ledger began."
    ),
    "penstock_run_seconds": Family(
        "histogram", ("pool", "class"), "How long attempts ran, since the ledger began."
    ),
    "penstock_power_total": Family(
        "counter", ("pool", "power"), "Machines that came into this power, since the ledger began."
    ),
    "penstock_cost_micros_total": Family(
        "counter",
        ("pool", "account", "project"),
        "What was entered in the ledger since it began, millionths of the farm's currency.",
    ),
    "penstock_cost_unentered_micros": Family(
        "gauge", ("pool",), "What has run up since and is not entered yet, millionths of the currency."
    ),
    "penstock_ledger_lag_seconds": Family("gauge", (), "How long ago the ledger was brought up to date."),
    "penstock_budget_used_ratio": Family(
        "gauge", ("budget",), "What is used of a budget in its month or year; 1 = all of it."
    ),
    "penstock_grant_left_micros": Family(
        "gauge", ("grant",), "What is left of a credit, millionths of the currency."
    ),
    "penstock_grant_ends_timestamp_seconds": Family(
        "gauge", ("grant",), "When a credit ends, seconds since 1970."
    ),
    "penstock_guard_state": Family("gauge", ("guard", "state"), "1 for the state in which a guard is."),
    "penstock_bill_taken_timestamp_seconds": Family(
        "gauge", ("provider",), "When a bill of this provider was last ingested, seconds since 1970."
    ),
}
"""All metrics. docs/reference/metrics.md has the same list."""


class Sample(NamedTuple):
    """One figure; `labels` in the order of its family's. Of a histogram: the sum, and how many lie in each bucket and below."""

    name: str
    labels: tuple[str, ...]
    value: float
    buckets: tuple[tuple[str, int], ...] = ()


class Metrics:
    """The figures of one hub process. Any number of threads may ask."""

    def __init__(self, hub: Hub, census: Census) -> None:
        self._hub, self._census = hub, census
        self._spending = Spending()
        self._counting = threading.Lock()
        self._done = threading.Condition()
        self._rounds = 0
        self._money: tuple[Sample, ...] = ()
        self._most: dict[tuple[str, ...], float] = {}
        self._begun = 0

    def samples(self, patience_s: float = PATIENCE_S) -> list[Sample]:
        """All that is known now."""
        seen = self._rounds
        if self._counting.acquire(blocking=False):
            threading.Thread(target=self._count, name="metrics", daemon=True).start()
        figures = self._census.figures(patience_s)
        found = [*look(self._hub, self._now), *_of_jobs(figures, self._hub.clock.wall_ms())]
        with self._done:
            self._done.wait_for(lambda: self._rounds > seen, patience_s)
        return [*found, *self._money]

    def _now(self, tx: Tx, farm: Farm) -> list[Sample]:
        """What takes a few rows."""
        ledger = tx.get(Ledger, "ledger")
        standing = {one.name: one.state for one in tx.find(Guarding, "key")}
        found = [Sample("penstock_farm_frozen", (), float(farm.frozen)), *_counted(tx.find(Counted, "key"))]
        if ledger is not None:
            lag_ms = max(0, self._hub.clock.wall_ms() - ledger.until_ms)
            found.append(Sample("penstock_ledger_lag_seconds", (), seconds(lag_ms)))
        for guard in self._hub.rules.guards:
            now = standing.get(guard.name, GuardState.STANDBY)
            found += [
                Sample("penstock_guard_state", (guard.name, str(state)), float(state == now))
                for state in GuardState
            ]
        return found

    def _count(self) -> None:
        """What was spent, anew; a farm that closes meanwhile is asked no more."""
        try:
            self._money = tuple(look(self._hub, self._spent))
        except (StoreError, NotFound):
            return
        finally:
            self._counting.release()
            with self._done:
                self._rounds += 1
                self._done.notify_all()

    def _spent(self, tx: Tx, farm: Farm) -> list[Sample]:
        ledger = self._spending.catch_up(tx)
        bills_there = [bill for bill in tx.find(Bill, "key") if bill.taken_ms]
        taken = {bill.provider: bill.taken_ms for bill in sorted(bills_there, key=_taken)}
        bills = [
            Sample("penstock_bill_taken_timestamp_seconds", (provider,), seconds(at))
            for provider, at in taken.items()
        ]
        if ledger is None:
            return bills
        at = Moment(self._hub.clock.wall_ms(), farm.time_ms)
        rules, daily = self._hub.rules, self._spending.daily
        today = day_of(at.wall_ms)
        return [
            *bills,
            *self._rising(self._spending.totals),
            *_open(tx.find(Meter, "key"), rules, at),
            *_of_budgets(rules.budgets, daily, today),
            *_of_grants(rules, daily),
        ]

    def _rising(self, totals: Mapping[tuple[str, str, str], int]) -> Iterator[Sample]:
        """Counters never fall in one set of books: an entry of a few micro-units may be negative where rounding is made good."""
        if self._begun != self._spending.begun:
            self._most, self._begun = {}, self._spending.begun
        for labels, amount in sorted(totals.items()):
            self._most[labels] = max(self._most.get(labels, 0), amount)
            yield Sample("penstock_cost_micros_total", labels, self._most[labels])


def _taken(bill: Bill) -> int:
    return bill.taken_ms


def _of_jobs(figures: Figures, wall_ms: int) -> Iterator[Sample]:
    if not figures.counted:
        return
    yield from (Sample("penstock_jobs", (state,), n) for state, n in sorted(figures.states.items()))
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    for at, group in enumerate(figures.queue):
        name = (group.platform, group.klass) if at < MOST_GROUPS else (OTHERS, OTHERS)
        jobs, oldest_ms = groups.get(name, (0, group.oldest_ms))
        groups[name] = jobs + group.jobs, min(oldest_ms, group.oldest_ms)
    for name, (jobs, oldest_ms) in groups.items():
        yield Sample("penstock_queue_jobs", name, jobs)
        yield Sample("penstock_queue_oldest_seconds", name, seconds(max(0, wall_ms - oldest_ms)))
    yield from (Sample("penstock_machines", kind, n) for kind, n in sorted(figures.machines.items()))


def _counted(rows: Iterable[Counted]) -> Iterator[Sample]:
    """What the books have counted."""
    sums: dict[tuple[str, str, str], int] = {}
    spread: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in rows:
        if row.what == "attempt":
            yield Sample("penstock_attempts_total", (row.pool, row.by, row.of), row.value)
        elif row.what == "power":
            yield Sample("penstock_power_total", (row.pool, row.by), row.value)
        elif row.what.endswith("_ms"):
            sums[row.what.removesuffix("_ms"), row.pool, row.by] = row.value
        else:
            spread.setdefault((row.what, row.pool, row.by), {})[row.of] = row.value
    for (what, pool, klass), counts in spread.items():
        total = seconds(sums.get((what, pool, klass), 0))
        yield Sample(f"penstock_{what}_seconds", (pool, klass), total, tuple(risen(counts)))


def _open(meters: Iterable[Meter], rules: Rules, at: Moment) -> Iterator[Sample]:
    terms = {pool.name: terms_of(pool, 0, 0) for pool in rules.pools}
    for pool, amount in sorted(unentered(meters, terms, at).items()):
        yield Sample("penstock_cost_unentered_micros", (pool,), amount)


Daily = Mapping[tuple[int, str], tuple[int, int]]


def _of_budgets(found: Iterable[Budget], daily: Daily, today: int) -> Iterator[Sample]:
    for budget in found:
        now = budgets.period(budget.per, today)
        days = [_as_tally(key, sums) for key, sums in daily.items() if now.first <= key[0] <= today]
        used = budgets.used(budget, days, today)
        yield Sample("penstock_budget_used_ratio", (budget.name,), float(used / budget.amount))


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
