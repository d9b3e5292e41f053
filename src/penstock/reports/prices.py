"""What the same work costs and how long it takes in one pool and in another; and what a commit costs.

Paired: the same job on the same platform of the same commit passed in all of the pools; of each pool its first such run counts.
Where nothing was paired all runs on platforms that all of the pools had are taken instead, and that is not like for like:
jobs may differ. Runs are attempts that passed; times are milliseconds, money micro-units.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import NamedTuple

import msgspec

from penstock.model.ledger import Account, BuildCost, Tally
from penstock.reports.buildcosts import ratio
from penstock.reports.waits import quantile


class Run(NamedTuple):
    """One attempt that passed: what it cost in which pool. `commit` is "" where it is of no commit."""

    attempt: str
    pool: str
    project: str
    commit: str
    name: str
    platform: str
    amount_micros: int


class Took(NamedTuple):
    """How long a run waited for its machine, and ran."""

    wait_ms: int
    run_ms: int


class PoolRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one pool: what one cost on average, direct and with its share of the pool's idle and lifecycle. Times are None
    where none is known."""

    pool: str
    runs: int
    mean_micros: int
    loaded_micros: int
    wait_p50_ms: int | None = None
    wait_p95_ms: int | None = None
    run_p50_ms: int | None = None
    run_p95_ms: int | None = None


class PerCommit(msgspec.Struct, frozen=True, kw_only=True):
    """What builds of a project, or all ("") cost, by the commit: all attempts of all its builds, direct."""

    project: str
    commits: int
    amount_micros: int
    each_micros: int


Pair = tuple[Run, ...]


def paired(runs: Iterable[Run], pools: Sequence[str]) -> list[Pair]:
    """The runs of each commit's job that passed in all of these pools, in the order of the pools."""
    by_job: dict[tuple[str, ...], dict[str, Run]] = defaultdict(dict)
    for run in runs:
        if run.commit and run.pool in pools:
            by_job[run.project, run.commit, run.name, run.platform].setdefault(run.pool, run)
    return [tuple(there[pool] for pool in pools) for there in by_job.values() if len(there) == len(pools)]


def unpaired(runs: Iterable[Run], pools: Sequence[str]) -> list[Run]:
    """All runs in these pools on platforms that ran in each of them."""
    found = [run for run in runs if run.pool in pools]
    where: dict[str, set[str]] = defaultdict(set)
    for run in found:
        where[run.platform].add(run.pool)
    return [run for run in found if len(where[run.platform]) == len(pools)]


def pairs_of(pools: Sequence[str]) -> list[tuple[str, str]]:
    """Each two of some pools."""
    return [(one, other) for n, one in enumerate(pools) for other in pools[n + 1 :]]


def lines(
    runs: Sequence[Run], pools: Sequence[str], took: Mapping[str, Took], factors: Mapping[str, Fraction]
) -> list[PoolRuns]:
    """One of each pool that has runs. `took` by attempt; `factors`: how much a pool costs beside its direct costs alone."""
    by_pool = {pool: [run for run in runs if run.pool == pool] for pool in pools}
    return [_line(pool, some, took, factors.get(pool, Fraction(1))) for pool, some in by_pool.items() if some]


def factors(tallies: Iterable[Tally]) -> dict[str, Fraction]:
    """All that was spent in a pool, divided by what attempts directly cost there; none of pools without direct costs."""
    spent: dict[str, int] = defaultdict(int)
    direct: dict[str, int] = defaultdict(int)
    for tally in tallies:
        spent[tally.pool] += tally.amount_micros
        direct[tally.pool] += tally.amount_micros if tally.account == Account.DIRECT else 0
    return {pool: Fraction(spent[pool], amount) for pool, amount in direct.items() if amount}


def excluded(tallies: Iterable[Tally]) -> list[str]:
    """Pools in which attempts ran and nothing was spent: their machines have no price, so no figure holds their cost."""
    spent: dict[str, int] = defaultdict(int)
    held: dict[str, int] = defaultdict(int)
    for tally in tallies:
        spent[tally.pool] += tally.amount_micros
        held[tally.pool] += tally.quantity if tally.account == Account.DIRECT else 0
    return sorted(pool for pool, ms in held.items() if ms and not spent[pool])


def per_commit(costs: Iterable[BuildCost]) -> list[PerCommit]:
    """Of each project by name, then all together: what was spent divided by commits. Builds of no commit count as one each."""
    by_project: dict[str, list[BuildCost]] = defaultdict(list)
    for cost in costs:
        by_project[cost.project].append(cost)
    every = [cost for some in by_project.values() for cost in some]
    found = [_per_commit(project, by_project[project]) for project in sorted(by_project)]
    return [*found, _per_commit("", every)] if every else []


def _per_commit(project: str, costs: Sequence[BuildCost]) -> PerCommit:
    commits = len({cost.commit or cost.build for cost in costs})
    amount = sum(cost.amount_micros for cost in costs)
    return PerCommit(
        project=project, commits=commits, amount_micros=amount, each_micros=ratio(amount, commits)
    )


def _line(pool: str, runs: Sequence[Run], took: Mapping[str, Took], factor: Fraction) -> PoolRuns:
    amount = sum(run.amount_micros for run in runs)
    times = [took[run.attempt] for run in runs if run.attempt in took]
    waits, ran = sorted(one.wait_ms for one in times), sorted(one.run_ms for one in times)
    line = PoolRuns(
        pool=pool,
        runs=len(runs),
        mean_micros=ratio(amount, len(runs)),
        loaded_micros=floor(amount * factor / len(runs) + Fraction(1, 2)),
    )
    if not times:
        return line
    return msgspec.structs.replace(
        line,
        wait_p50_ms=quantile(waits, 50),
        wait_p95_ms=quantile(waits, 95),
        run_p50_ms=quantile(ran, 50),
        run_p95_ms=quantile(ran, 95),
    )
