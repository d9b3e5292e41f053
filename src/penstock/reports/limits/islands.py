"""Limits of a whole farm: pools that share platforms are one market, and markets add up.

A market of several pools is judged as if all of its rented machines had the lowest price, the shortest times and the
highest speed among them, and all of its owned machines could run everything in it. No farm is better than that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from penstock.reports.limits.levels import level_cost, levels, overlap
from penstock.reports.limits.market import Counts, Moments, Rent, Span
from penstock.reports.limits.waiting import Promise, Proof, prove, total
from penstock.reports.limits.work import work

HOUR_MS = 3_600_000
LATE = 8
"""The few late jobs of a share of jobs start within so many times the promise."""


class Jobs(NamedTuple):
    """A history: when each job became runnable, how long it runs at speed 1, and of which kind it is: a number that
    stands for its platform and for all else that decides which pools take it."""

    submitted_ms: Moments
    duration_ms: Moments
    kind: Counts


@dataclass(frozen=True, slots=True)
class LimitPool:
    """A pool as limits see it: prices and times of a slot, whatever machine it is on.

    `takes`: the kinds of jobs. `owned`: its slots, `slots` in all, cost nothing more. Of a rented pool only a slot's
    `price_per_slot_ms` and `stopped_per_slot_ms` (money) and its times count. `resume_ms`: None where machines are not
    stopped. `cold_ms`: by how much the first job of every new slot lasts longer; 0 for machines of several slots, of
    which only one gets that job. `speed`: how many milliseconds of duration it does in one.
    """

    takes: frozenset[int]
    owned: bool = False
    slots: int = 0
    price_per_slot_ms: float = 0.0
    stopped_per_slot_ms: float = 0.0
    boot_ms: int = 0
    resume_ms: int | None = None
    cold_ms: int = 0
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Aim:
    """What is promised: `share` of the jobs start within `window_ms`; and what an hour of waiting is held to cost,
    in millionths of the currency."""

    window_ms: int
    share: float = 0.95
    waiting_micros_per_hour: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """What no schedule can undercut, in money; owned machines cost nothing.

    `work`: the rent of the work above the owned machines when nobody waits; without owned machines also when people
    do. `zero_wait`: when nobody waits; `kind` says whether some schedule costs just that. `at_target`: when every
    job starts within the promise, with what their waiting is held to cost. `at_target_share`: when the share of them
    does and the others start within eight times as long. Both None when they were not asked for.
    """

    work: float
    zero_wait: float
    kind: Literal["exact", "bound"]
    at_target: float | None = None
    at_target_share: float | None = None


def limits(jobs: Jobs, pools: Sequence[LimitPool], aim: Aim, waiting: bool = True) -> Limit:
    """All limits of a history; without `waiting` only those that take no search. Jobs that no pool takes cost nothing."""
    markets = list(_markets(jobs, pools))
    needed = [levels(_fastest(market), market.rent.owned) for market in markets]
    least = sum(work(found, market.rent) for found, market in zip(needed, markets, strict=True))
    now = [
        level_cost(found, market.rent, market.rent.wake - overlap(_fastest(market), market.rent))
        for found, market in zip(needed, markets, strict=True)
    ]
    kind: Literal["exact", "bound"] = "exact" if all(market.plain for market in markets) else "bound"
    if not waiting:
        return Limit(least, sum(now), kind)
    if any(market.rent.cold_ms for market in markets):
        now = [max(cost, _at_once(market)) for cost, market in zip(now, markets, strict=True)]
    share = _late(markets, aim, int(_count(markets) * (1 - aim.share) + 1e-9))
    every = max(share, _late(markets, aim, 0))
    return Limit(least, max(sum(now), every), kind, every, share)


# Markets ----------------------------------------------------------------------------------------------------


class Market(NamedTuple):
    """Jobs and machines that have to do with each other. `plain`: nothing in `rent` is better than what there is."""

    span: Span
    rent: Rent
    plain: bool


def _markets(jobs: Jobs, pools: Sequence[LimitPool]) -> Iterator[Market]:
    """Those markets in which something is rented and that have jobs."""
    for island in islands([pool.takes for pool in pools]):
        here = [pools[i] for i in island]
        taken = np.isin(jobs.kind, sorted(frozenset().union(*(pool.takes for pool in here))))
        rented = [pool for pool in here if not pool.owned]
        if rented and taken.any():
            owned = [pool for pool in here if pool.owned and pool.slots]
            yield _market(jobs.submitted_ms[taken], jobs.duration_ms[taken], rented, owned)


def islands(takes: Sequence[frozenset[int]]) -> list[list[int]]:
    """Which pools have to do with each other, directly or through others: by their numbers, lowest first."""
    found: list[tuple[set[int], list[int]]] = []
    for number, kinds in enumerate(takes):
        touched = [island for island in found if island[0] & kinds]
        found = [island for island in found if not island[0] & kinds]
        joined = kinds.union(*(island[0] for island in touched))
        found.append((set(joined), sorted([number, *(i for island in touched for i in island[1])])))
    return sorted(numbers for _, numbers in found)


def _market(
    submitted_ms: Moments, duration_ms: Moments, rented: list[LimitPool], owned: list[LimitPool]
) -> Market:
    back = [pool for pool in rented if pool.resume_ms is not None]
    rent = Rent(
        price=min(pool.price_per_slot_ms for pool in rented),
        boot_ms=min(pool.boot_ms for pool in rented),
        cold_ms=min(pool.cold_ms for pool in rented),
        resume_ms=min((pool.resume_ms for pool in back if pool.resume_ms is not None), default=None),
        stopped=min((pool.stopped_per_slot_ms for pool in back), default=0.0),
        owned=sum(pool.slots for pool in owned),
    )
    owned_ms = _run_ms(duration_ms, owned) if owned else None
    plain = len(rented) == 1 and not owned and not rent.cold_ms
    return Market(Span(submitted_ms, _run_ms(duration_ms, rented), owned_ms), rent, plain)


def _run_ms(duration_ms: Moments, pools: list[LimitPool]) -> Moments:
    """How long jobs run on the fastest of `pools`, rounded down."""
    return np.floor(duration_ms / max(pool.speed for pool in pools)).astype(np.int64)


def _fastest(market: Market) -> Span:
    """The jobs as short as they can be anywhere: when nobody waits, longer ones never cost less."""
    span = market.span
    if span.owned_ms is None:
        return span
    return Span(span.submitted_ms, np.minimum(span.run_ms, span.owned_ms))


# Waiting ----------------------------------------------------------------------------------------------------


def _count(markets: list[Market]) -> int:
    return sum(len(market.span.run_ms) for market in markets)


def _at_once(market: Market) -> float:
    """When nobody waits, with cold jobs in their true length."""
    return total([prove(market.span, market.rent, Promise(0))], 0)


def _late(markets: list[Market], aim: Aim, late: int) -> float:
    """When all but `late` jobs start within the promise."""
    return total([_proof(market, aim, late / max(1, _count(markets))) for market in markets], late)


def _proof(market: Market, aim: Aim, share: float) -> Proof:
    """Every market looks for its limit with its own part of the late jobs; which are late at last is for all."""
    late = int(np.ceil(share * len(market.span.run_ms)))
    waiting = aim.waiting_micros_per_hour / 1e6 / HOUR_MS
    return prove(
        market.span, market.rent, Promise(aim.window_ms, waiting, late, late and LATE * aim.window_ms)
    )
