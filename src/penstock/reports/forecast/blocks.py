"""How far a forecast may be off: a block bootstrap of the forecast's own error.

Blocks of whole weeks are drawn from the days that were and put behind one another, so that weekdays and the likeness of
neighbouring days stay; the first days of such a path are taken for the window of the rate, the others for what was to be
forecast. What came divided by what the window's rate would have foretold, times the forecast, is one possible outcome.
Drawing sums alone would take the rate for certain: tests/reports/forecast/test_histories.py measures both.
Chance is a hash of the inputs: the same days give the same band on every machine.
"""

import hashlib
from collections.abc import Iterator, Sequence
from operator import mul
from typing import NamedTuple

import msgspec

from penstock.reports.forecast.calendar import MILLION

WEEK = 7
LEAST = 28
"""Fewer days give no band."""
BLOCK, SHORT_BLOCK = 28, 7
MOST = 364
"""Days that are drawn from: older ones say little about the next year."""
PATHS = 400


class Band(NamedTuple):
    """What is not reached in 10, 50 and 90 of 100 paths."""

    p10: int
    p50: int
    p90: int


class Horizon(NamedTuple):
    """What is to be forecast: the factor of each day to come, and sums from one place of it to another."""

    factors_ppm: Sequence[int]
    sums: Sequence[tuple[int, int]]


def block_days(days: int) -> int:
    """How long the blocks are that are drawn from so many days: there are to be three at least."""
    return BLOCK if days >= 3 * BLOCK else SHORT_BLOCK


def bands(amounts: Sequence[int], window: int, ahead: Horizon) -> list[Band] | None:
    """A band for each sum of the horizon, which begins on the day after the last amount.

    `amounts`: one a day, as on a usual day; `window`: of how many last days the rate is. None where there are too few days,
    or they cost nothing."""
    if len(amounts) < LEAST or window > len(amounts):
        return None
    whole = min(len(amounts), MOST) // WEEK * WEEK
    drawn = list(amounts[-whole:])
    now = sum(amounts[-window:])
    flat = all(factor == MILLION for factor in ahead.factors_ppm)
    # The window's place in a path begins a week, as the days drawn from do; what follows it must as well.
    lead = -(-window // WEEK) * WEEK
    outcomes: list[list[int]] = [[] for _ in ahead.sums]
    for path in _paths(drawn, lead + len(ahead.factors_ppm), _seed(drawn, window, ahead)):
        seen = sum(path[lead - window : lead])
        if seen <= 0:
            continue
        coming = path[lead:] if flat else list(map(mul, path[lead:], ahead.factors_ppm))
        scale = seen if flat else seen * MILLION
        for found, (first, end) in zip(outcomes, ahead.sums, strict=True):
            found.append(now * sum(coming[first:end]) // scale)
    return [_band(found) for found in outcomes] if all(outcomes) else None


def _band(outcomes: list[int]) -> Band:
    ordered = sorted(outcomes)
    return Band(*(ordered[(len(ordered) - 1) * percent // 100] for percent in (10, 50, 90)))


def _paths(drawn: list[int], length: int, seed: bytes) -> Iterator[list[int]]:
    """Paths of blocks that begin with a week; the days drawn from are a circle of whole weeks."""
    block = block_days(len(drawn))
    weeks, circle = len(drawn) // WEEK, drawn + drawn[:block]
    numbers = _numbers(seed)
    for _ in range(PATHS):
        path: list[int] = []
        while len(path) < length:
            start = next(numbers) % weeks * WEEK
            path += circle[start : start + block]
        yield path


def _numbers(seed: bytes) -> Iterator[int]:
    """Numbers of 64 bits, the same ones for the same seed."""
    turn = 0
    while True:
        digest = hashlib.sha256(seed + turn.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(digest[place : place + 8], "big") for place in range(0, 32, 8))
        turn += 1


def _seed(drawn: list[int], window: int, ahead: Horizon) -> bytes:
    return hashlib.sha256(
        msgspec.json.encode((drawn, window, list(ahead.factors_ppm), list(ahead.sums)))
    ).digest()
