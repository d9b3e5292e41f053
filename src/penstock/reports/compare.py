"""Runs side by side: what became of a workload under each policy, what it cost, and how near that is to the limits.

The documents are contracts (docs/reference/simulate.md). Every figure is a number rounded to six decimals; what is not
known is None, never NaN. Money comes in as integer micro-units and goes out in units of the currency.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.model.outcome import Outcome
from penstock.model.rules import Pool, Waiting
from penstock.model.units import MICROS_PER_UNIT, MS_PER_HOUR, MS_PER_S
from penstock.model.workload import UNKNOWN, Workload
from penstock.reports.waits import Waits, in_time, wait_column, waits

Document = dict[str, Any]


class Limit(NamedTuple):
    """What no schedule can undercut, in units of the currency; None where it was not computed.

    `work`: LB0; `zero_wait`: LB1; `at_target`: LB2; `at_target_share`: LB2p. `kind`: "exact" or "bound", of LB1.
    """

    work: float | None = None
    zero_wait: float | None = None
    kind: str = "bound"
    at_target: float | None = None
    at_target_share: float | None = None


class Costs(NamedTuple):
    """What a run cost, in micro-units: `total` = `owned` + `rented`; `idle` and `lifecycle` are parts of `rented`."""

    total: int
    owned: int
    rented: int
    idle: int
    lifecycle: int


def figure(value: float | None) -> float | None:
    """A figure as it goes out: six decimals, no negative zero."""
    return None if value is None else round(float(value), 6) + 0.0


def money(micros: int) -> float | None:
    """Micro-units as a figure in units of the currency."""
    return figure(micros / MICROS_PER_UNIT)


def costs(outcome: Outcome) -> Costs:
    """The costs of all pools together."""
    owned = sum(pool.owned for pool in outcome.costs)
    rented = sum(pool.running + pool.stopped for pool in outcome.costs)
    idle, lifecycle = sum(pool.idle for pool in outcome.costs), sum(pool.lifecycle for pool in outcome.costs)
    return Costs(owned + rented, owned, rented, idle, lifecycle)


def score(outcome: Outcome, column: Sequence[int], waiting: Waiting) -> float:
    """What a run cost and what its waiting was worth, in units of the currency. `column`: the waits, by job."""
    waited_ms = sum([wait for wait in column if wait != UNKNOWN])
    price = waiting.price_per_hour_micros / MICROS_PER_UNIT
    return costs(outcome).total / MICROS_PER_UNIT + price * waited_ms / MS_PER_HOUR


def shares(outcome: Outcome) -> tuple[float | None, float | None]:
    """Which share of the job time, and of the jobs, ended on owned machines. Without any, None."""
    time_ms, jobs = [0] * len(outcome.pools), [0] * len(outcome.pools)
    for pool, ran_ms, end_ms in zip(outcome.pool, outcome.ran_ms, outcome.end_ms, strict=True):
        if end_ms >= 0:
            time_ms[pool] += ran_ms
            jobs[pool] += 1
    return _share(time_ms, outcome.owned), _share(jobs, outcome.owned)


def _share(amounts: Sequence[int], owned: Sequence[bool]) -> float | None:
    whole = sum(amounts)
    part = sum(amount for amount, is_owned in zip(amounts, owned, strict=True) if is_owned)
    return part / whole if whole else None


def least_rent_micros(outcome: Outcome, pools: Sequence[Pool]) -> float:
    """What no honest bill can undercut: the work that owned slots cannot have done, at the cheapest rented price.

    Work is machine time at speed 1, of all attempts. `pools` are those of farm.toml, in the order of the outcome.
    """
    span_ms = outcome.ended_ms - outcome.begun_ms
    work = sum(ms * pool.speed for ms, pool in zip(outcome.work_ms, pools, strict=True))
    both = list(zip(pools, outcome.owned, strict=True))
    room = sum(
        max(p.machines, peak) * p.slots * p.speed * span_ms
        for (p, is_owned), peak in zip(both, outcome.peaks, strict=True)
        if is_owned
    )
    cheapest = min(
        (p.price_per_hour_micros / (p.slots * p.speed) for p, is_owned in both if not is_owned), default=0.0
    )
    return cheapest * max(0.0, work - room) / MS_PER_HOUR


def undercut(outcome: Outcome, pools: Sequence[Pool]) -> str:
    """Why the bill of a run cannot be right; "" when it can. A micro-unit for every start may be lost in rounding."""
    rented = costs(outcome).rented
    least = least_rent_micros(outcome, pools)
    if rented + sum(outcome.boots) + sum(outcome.resumes) + 1 >= least:
        return ""
    return f"rented machines cost {money(rented)}, and nobody can rent what they did for less than {figure(least / MICROS_PER_UNIT)}"


def wait_figures(found: Waits) -> Document:
    """Waits in seconds."""
    named = {"mean": found.mean_ms, "p50": found.p50_ms, "p95": found.p95_ms, "p99": found.p99_ms}
    return {name: _seconds(ms) for name, ms in (named | {"max": found.max_ms}).items()}


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else figure(ms / MS_PER_S)


def limit_figures(limit: Limit, outcome: Outcome, reached: float) -> Document:
    """The limits, and how many times as dear the run was. `reached`: its score.

    Limits are of what is rented and waited for: owned machines cost the same whatever is done with them, and are
    left out on both sides of a ratio. A limit of 0 has no ratio.
    """
    free = reached - costs(outcome).owned / MICROS_PER_UNIT
    return {
        "work": figure(limit.work),
        "zero_wait": figure(limit.zero_wait),
        "kind": limit.kind,
        "at_target": figure(limit.at_target),
        "at_target_share": figure(limit.at_target_share),
        "ratio_zero_wait": _ratio(free, limit.zero_wait),
        "ratio_at_target": _ratio(free, limit.at_target),
    }


def _ratio(reached: float, limit: float | None) -> float | None:
    return figure(reached / limit) if limit else None


def policy_document(outcome: Outcome, waiting: Waiting, currency: str, limit: Limit) -> Document:
    """One policy's part of `penstock simulate --json`. Jobs that no pool takes are neither finished nor lost."""
    column = wait_column(outcome)
    finished, apart = sum([end >= 0 for end in outcome.end_ms]), sum(outcome.dropped.values())
    spent, reached = costs(outcome), score(outcome, column, waiting)
    of_time, of_jobs = shares(outcome)
    rented = [n for n, is_owned in enumerate(outcome.owned) if not is_owned]
    return {
        "jobs_finished": finished,
        "jobs_lost": len(outcome.end_ms) - apart - finished,
        "wait_s": wait_figures(waits(column)),
        "within_target": figure(in_time(column, waiting.target_ms, apart)),
        "cost": {name: money(micros) for name, micros in spent._asdict().items()} | {"currency": currency},
        "score": figure(reached),
        "machines": {
            "boots": sum(outcome.boots[n] for n in rented),
            "resumes": sum(outcome.resumes[n] for n in rented),
            "peak": outcome.peak,
        },
        "owned_share": figure(of_time),
        "owned_share_jobs": figure(of_jobs),
        "limit": limit_figures(limit, outcome, reached),
        "event_digest": outcome.digest,
    }


def history_document(workload: Workload, dropped: dict[str, int]) -> Document:
    """What was replayed: how many jobs, what was left out and why, and from first submission to last recorded end."""
    return {
        "jobs": workload.jobs,
        "dropped": dict(sorted(dropped.items())),
        "span_s": _seconds(span_ms(workload)),
    }


def span_ms(workload: Workload) -> int:
    """From the first submission to the last recorded end; a job that has no start counts as begun when submitted."""
    if not workload.jobs:
        return 0
    ends = map(int.__add__, map(max, workload.submitted_ms, workload.started_ms), workload.duration_ms)
    return max(ends) - workload.submitted_ms[0]
