"""Distributions as tables of quantiles, in whole milliseconds: computed in decimals, so that every machine has the same."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache
from statistics import NormalDist

from penstock.model.rules import Quantiles
from penstock.sim.engine.world import TIMES

P95 = Decimal("1.644853627")
EXPONENTIAL_UNIT = 1_000_000


@cache
def lognormal_ms(time: Quantiles) -> Sequence[int]:
    """TIMES equally likely durations of the lognormal law through both quantiles; without a spread all are equal."""
    low, high = max(1, time.p50_ms), time.p95_ms
    if time.p95_ms <= time.p50_ms:
        return [time.p50_ms] * TIMES
    with localcontext() as context:
        context.prec = 20
        rise = (Decimal(high) / low).ln() / P95
        return [round(low * (rise * step).exp()) for step in _normal_steps()]


def _normal_steps() -> list[Decimal]:
    normal = NormalDist()
    return [Decimal(f"{normal.inv_cdf((at + 0.5) / TIMES):.9f}") for at in range(TIMES)]


@cache
def exponential() -> Sequence[int]:
    """TIMES equally likely values of the exponential law with mean EXPONENTIAL_UNIT."""
    with localcontext() as context:
        context.prec = 20
        return [
            round(-(1 - (Decimal(at) + Decimal("0.5")) / TIMES).ln() * EXPONENTIAL_UNIT)
            for at in range(TIMES)
        ]
