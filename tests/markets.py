"""Prices and jobs to compute limits of, and the cheapest way to run a few jobs, found by trying all of them.

What is tried here is written apart from the limits that it checks, as a bill would say it.
"""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from penstock.reports.limits.market import Rent, Span

HOUR_MS = 3_600_000
PRICE, STOPPED = 0.4032 / HOUR_MS, 0.01096 / HOUR_MS


def rent(owned: int = 0, cold_s: int = 0, resume_ms: float | None = 45_000) -> Rent:
    """An m7i.2xlarge for one job at a time: 90 s to boot, 45 s to come back, its disk kept when it stops."""
    return Rent(PRICE, 90_000, cold_s * 1000, resume_ms, STOPPED, owned)


def span(*jobs: tuple[int, int]) -> Span:
    """Jobs as (submitted, length)."""
    table = np.array(jobs, dtype=np.int64).reshape(-1, 2)
    return Span(table[:, 0], table[:, 1])


def pairs(jobs: Span) -> list[tuple[int, int]]:
    """Jobs as (submitted, length), in order of submission."""
    return sorted((int(a), int(d)) for a, d in zip(jobs.submitted_ms, jobs.run_ms, strict=True))


def cheapest_now(jobs: Span, rent: Rent) -> float:
    """The least rent when every job starts at the moment it is submitted; cold jobs in their true length."""
    return min(_ways(pairs(jobs), rent, (), (-(10**15),) * rent.owned))


def _ways(
    jobs: list[tuple[int, int]], rent: Rent, rented: tuple[int, ...], owned: tuple[int, ...]
) -> Iterator[float]:
    """What each way to place `jobs` costs; a machine is the moment from which it is free."""
    if not jobs:
        yield 0.0
        return
    (start, length), rest = jobs[0], jobs[1:]
    for i in {free: i for i, free in enumerate(owned) if free <= start}.values():
        yield from _ways(rest, rent, rented, (*owned[:i], start + length, *owned[i + 1 :]))
    for i in {free: i for i, free in enumerate(rented) if free <= start}.values():
        paid = rent.price * length + between(start - rented[i], rent)
        others = (*rented[:i], start + length, *rented[i + 1 :])
        yield from (paid + more for more in _ways(rest, rent, others, owned))
    end = start + length + rent.cold_ms
    paid = rent.price * (rent.boot_ms + end - start)
    yield from (paid + more for more in _ways(rest, rent, (*rented, end), owned))


def between(gap: int, rent: Rent) -> float:
    """What a machine costs between two jobs when it is kept, on or stopped, as a bill would say it."""
    on = rent.price * gap
    if rent.resume_ms is None or gap < rent.resume_ms:
        return on
    return min(on, rent.price * rent.resume_ms + rent.stopped * (gap - rent.resume_ms))


def cheapest_waiting(jobs: Span, rent: Rent, windows: list[int], waiting: float = 0.0) -> float:
    """The least cost when job `j` may start 0, 1, … `windows[j]` later than it was submitted."""
    table = list(zip(jobs.submitted_ms.tolist(), jobs.run_ms.tolist(), strict=True))
    choices = product(*(range(window + 1) for window in windows))
    return min(
        cheapest_now(span(*((a + late, d) for (a, d), late in zip(table, lates, strict=True))), rent)
        + waiting * sum(lates)
        for lates in choices
    )


def cheapest_share(jobs: Span, rent: Rent, window: int, late: int, late_window: int) -> float:
    """The same when any `late` of the jobs may start within `late_window` instead of `window`."""
    count = len(jobs.run_ms)
    return min(
        cheapest_waiting(jobs, rent, [late_window if j in chosen else window for j in range(count)])
        for chosen in combinations(range(count), late)
    )
