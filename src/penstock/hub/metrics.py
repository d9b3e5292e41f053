"""Figures of a farm for a monitoring system: what they are now. hub/families.py says what they mean.

How much is read does not depend on the queue: jobs and machines come from the census, what was spent from sums that are
kept; neither is waited for for long, then what was so a moment ago is told.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping

from penstock.hub.census import Census, Figures, Waiting
from penstock.hub.context import Hub, NotFound
from penstock.hub.dealings import dealings
from penstock.hub.families import FAMILIES, Sample
from penstock.hub.moneyfigures import Seldom, money
from penstock.hub.spending import Spending
from penstock.hub.steps import look
from penstock.model.counted import Counted
from penstock.model.farm import Farm
from penstock.model.ledger import Guarding, Ledger
from penstock.model.rules import Pool
from penstock.model.states import GuardState
from penstock.model.units import seconds
from penstock.policy.charging.counting import risen
from penstock.ports import StoreError, Tx

__all__ = ["FAMILIES", "Metrics", "Sample"]

PATIENCE_S = 0.01
"""How long an answer waits for figures that are being counted."""
MOST_GROUPS = 100
"""Groups of the queue that are told apart, the largest; the others are added up."""
OTHERS = "(others)"
_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "attempt": ("penstock_attempts_total", ("pool", "by", "of")),
    "power": ("penstock_power_total", ("pool", "by")),
    "decision": ("penstock_scale_decisions_total", ("pool", "by", "of")),
    "error": ("penstock_provider_errors_total", ("provider", "pool", "by", "of")),
    "orphan": ("penstock_orphans_{by}_total", ("pool",)),
    "unstarted": ("penstock_jobs_unstarted_total", ("by", "of")),
}
"""The counter of each thing that is counted, and where its labels are; what is not here is a duration."""


class Metrics:
    """The figures of one hub process. Any number of threads may ask."""

    def __init__(self, hub: Hub, census: Census) -> None:
        self._hub, self._census = hub, census
        self._spending = Spending()
        self._counting = threading.Lock()
        self._done = threading.Condition()
        self._rounds = 0
        self._money: tuple[Sample, ...] = ()
        self._seldom = Seldom(hub)
        self._most: dict[tuple[str, ...], float] = {}
        self._begun = 0

    def samples(self, patience_s: float = PATIENCE_S) -> list[Sample]:
        """All that is known now."""
        seen = self._rounds
        if self._counting.acquire(blocking=False):
            threading.Thread(target=self._count, name="metrics", daemon=True).start()
        figures = self._census.figures(patience_s)
        found = [
            *look(self._hub, self._now),
            *_of_jobs(figures, self._hub.rules.pools, self._hub.clock.wall_ms()),
        ]
        with self._done:
            self._done.wait_for(lambda: self._rounds > seen, patience_s)
        return [*found, *self._money]

    def _now(self, tx: Tx, farm: Farm) -> list[Sample]:
        """What takes a few rows."""
        ledger = tx.get(Ledger, "ledger")
        standing = {one.name: one.state for one in tx.find(Guarding, "key")}
        providers = {pool.name: pool.provider for pool in self._hub.rules.pools}
        found = [
            Sample("penstock_farm_frozen", (), float(farm.frozen)),
            *_counted(tx.find(Counted, "key"), providers),
            *_of_providers(tx, farm, self._hub),
        ]
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
            self._seldom.look()
            self._money = (*look(self._hub, self._spent), *self._seldom.samples)
        except (StoreError, NotFound):
            return
        finally:
            self._counting.release()
            with self._done:
                self._rounds += 1
                self._done.notify_all()

    def _spent(self, tx: Tx, farm: Farm) -> list[Sample]:
        ledger = self._spending.catch_up(tx)
        found = money(self._hub, tx, farm, self._spending.daily if ledger else None)
        return [*found, *(self._rising(self._spending.totals) if ledger else ())]

    def _rising(self, totals: Mapping[tuple[str, str, str], int]) -> Iterator[Sample]:
        """Counters never fall in one set of books: an entry of a few micro-units may be negative where rounding is made good."""
        if self._begun != self._spending.begun:
            self._most, self._begun = {}, self._spending.begun
        for labels, amount in sorted(totals.items()):
            self._most[labels] = max(self._most.get(labels, 0), amount)
            yield Sample("penstock_cost_micros_total", labels, self._most[labels])


def _of_jobs(figures: Figures, pools: Iterable[Pool], wall_ms: int) -> Iterator[Sample]:
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
    for pool in pools:
        if taken := [one.oldest_ms for one in figures.queue if _takes(pool, one)]:
            yield Sample("penstock_pool_oldest_seconds", (pool.name,), seconds(max(0, wall_ms - min(taken))))
    yield from (Sample("penstock_machines", kind, n) for kind, n in sorted(figures.machines.items()))


def _takes(pool: Pool, group: Waiting) -> bool:
    """Whether jobs of this group may be for that pool. A job that no pool takes is in no pool's figure, but in the queue's."""
    return group.platform in pool.platforms and (not pool.classes or group.klass in pool.classes)


def _of_providers(tx: Tx, farm: Farm, hub: Hub) -> Iterator[Sample]:
    """How providers stand, of pools that have one here."""
    for pool, one in dealings(tx).items():
        if pool not in hub.providers:
            continue
        away_ms = max(0, farm.time_ms - one.away_since_ms) if one.away_since_ms else 0
        yield Sample("penstock_provider_away_seconds", (pool,), seconds(away_ms))
        for waits_for, count in (
            ("second-look", one.second),
            ("person", one.person),
            ("provider", one.going),
        ):
            yield Sample("penstock_orphans", (pool, waits_for), count)


def _counted(rows: Iterable[Counted], providers: Mapping[str, str]) -> Iterator[Sample]:
    """What the books have counted."""
    sums: dict[tuple[str, str, str], int] = {}
    spread: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in rows:
        if row.what in _COUNTERS:
            name, labels = _COUNTERS[row.what]
            known = {"provider": providers.get(row.pool, ""), "pool": row.pool, "by": row.by, "of": row.of}
            yield Sample(name.format(by=row.by), tuple(known[label] for label in labels), row.value)
        elif row.what.endswith("_ms"):
            sums[row.what.removesuffix("_ms"), row.pool, row.by] = row.value
        else:
            spread.setdefault((row.what, row.pool, row.by), {})[row.of] = row.value
    for (what, pool, klass), counts in spread.items():
        total = seconds(sums.get((what, pool, klass), 0))
        yield Sample(f"penstock_{what}_seconds", (pool, klass), total, tuple(risen(counts)))
