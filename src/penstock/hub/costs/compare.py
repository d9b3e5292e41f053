"""Price and latency of the same work in two pools, over some days; and what a commit costs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.job import Attempt, Job
from penstock.model.ledger import Account, BuildCost, Entry, Tally
from penstock.model.states import AttemptState
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import prices
from penstock.reports.prices import PerCommit, PoolRuns, Run, Took

Document = dict[str, Any]
MOST = 2_000
"""Runs of one pool whose times are looked up: the newest ones of what is compared."""
LIKE = "the same jobs of the same commits, which passed in both"
UNLIKE = (
    "not like for like: no job of one commit passed in both, so these are all runs on platforms that both had"
)
OUT = "machines of {} have no price: what they cost is in none of these figures"
DEFINITIONS = {
    "cost": "direct cost of an attempt that passed, on average",
    "loaded": "the same with its share of the pool's idle, lifecycle and charges on these days",
    "wait, run": "from when the job could start to its start, and from there to its end; the newest runs, without retries",
    "per commit": "all attempts of all builds of a commit, created on these days, direct",
}


class Found(NamedTuple):
    """What one look gives."""

    runs: list[Run]
    tallies: list[Tally]
    costs: list[BuildCost]


def compare(hub: Hub, days: Days, pools: Sequence[str] = ()) -> Document:
    """These pools together, or each two that have runs where none is named; and what a commit costs."""
    return look(hub, lambda tx, farm: _compare(hub, tx, days, pools))


def _compare(hub: Hub, tx: Tx, days: Days, pools: Sequence[str]) -> Document:
    found = _found(tx, days)
    factors = prices.factors(found.tallies)
    asked = [tuple(pools)] if pools else prices.pairs_of(sorted({run.pool for run in found.runs}))
    compared = [_compared(tx, found.runs, some, factors) for some in asked]
    out = prices.excluded(found.tallies)
    commits = [_commit_line(one) for one in prices.per_commit(found.costs)]
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "comparisons": [one for one in compared if one["pools"] or pools],
        "per_commit": commits[:-1],
        "all_commits": commits[-1] if commits else None,
        "excluded": out,
        "warnings": [OUT.format(", ".join(out))] if out else [],
        "definitions": DEFINITIONS,
    }


def _found(tx: Tx, days: Days) -> Found:
    costs = reading.build_costs(tx, days)
    commits = {cost.build: cost.commit for cost in costs}
    runs = [_run(tx, entry, amount, commits) for entry, amount in _passed(reading.entries(tx, days))]
    return Found(runs, reading.summed(tx, days, ()), costs)


def _passed(entries: Iterable[Entry]) -> list[tuple[Entry, int]]:
    """The last entry of each attempt that passed, and what all its entries come to."""
    amounts: dict[str, int] = defaultdict(int)
    last: list[Entry] = []
    for entry in entries:
        if entry.account == Account.DIRECT:
            amounts[entry.attempt] += entry.amount_micros
            if entry.final and entry.outcome == AttemptState.PASSED:
                last.append(entry)
    return [(entry, amounts[entry.attempt]) for entry in last]


def _run(tx: Tx, entry: Entry, amount: int, commits: dict[str, str]) -> Run:
    if entry.build not in commits:
        # It was created before these days.
        cost = tx.get(BuildCost, entry.build)
        commits[entry.build] = cost.commit if cost else ""
    commit = commits[entry.build]
    return Run(entry.attempt, entry.pool, entry.project, commit, entry.name, entry.platform, amount)


def _compared(tx: Tx, runs: Sequence[Run], pools: Sequence[str], factors: dict[str, Fraction]) -> Document:
    pairs = prices.paired(runs, pools)
    chosen = [run for pair in pairs for run in pair] if pairs else prices.unpaired(runs, pools)
    timed = [run for pool in pools for run in [one for one in chosen if one.pool == pool][-MOST:]]
    found = prices.lines(chosen, pools, _took(tx, timed), factors)
    return {
        "pools": [line.pool for line in found],
        "like_for_like": bool(pairs),
        "pairs": len(pairs),
        "says": LIKE if pairs else UNLIKE,
        "lines": [_line(line) for line in found],
    }


def _took(tx: Tx, runs: Iterable[Run]) -> dict[str, Took]:
    """How long these waited and ran. Left out are those that are not kept any more, and retries: their jobs waited for
    what the attempts before did, too."""
    found: dict[str, Took] = {}
    for run in runs:
        attempt = tx.get(Attempt, run.attempt)
        job = tx.get(Job, attempt.job) if attempt else None
        if attempt and job and attempt.started_ms and attempt.n == 1:
            waited, ran = attempt.started_ms - job.ready_ms, attempt.ended_ms - attempt.started_ms
            found[run.attempt] = Took(max(0, waited), max(0, ran))
    return found


def _line(line: PoolRuns) -> Document:
    times = {
        "wait_p50_s": line.wait_p50_ms,
        "wait_p95_s": line.wait_p95_ms,
        "run_p50_s": line.run_p50_ms,
        "run_p95_s": line.run_p95_ms,
    }
    return {
        "pool": line.pool,
        "runs": line.runs,
        "cost": decimal_text(line.mean_micros),
        "loaded": decimal_text(line.loaded_micros),
        **{name: None if ms is None else seconds(ms) for name, ms in times.items()},
    }


def _commit_line(one: PerCommit) -> Document:
    return {
        "project": one.project,
        "commits": one.commits,
        "spent": decimal_text(one.amount_micros),
        "each": decimal_text(one.each_micros),
    }
