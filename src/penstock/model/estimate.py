"""How long jobs take, learnt from attempts that have ended well; never the duration of one that has not."""

from math import isqrt

import msgspec

RECENT = 8
"""Once there are so many runs, a new one counts for one part in as many: older ones fade."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The duration of the runs of one job on one platform: exponentially weighted mean and variance.

    `name` is module and kind, "zlib:build"; project and name "" = all jobs of the platform together. `count` runs
    were seen in all.
    """

    project: str
    name: str
    platform: str
    count: int = 0
    mean_ms: int = 0
    variance_ms2: int = 0
    version: int = 0


def learnt(before: Estimate, took_ms: int) -> Estimate:
    """The estimate after one more run. The first runs count alike, as in a plain mean."""
    count = before.count + 1
    weight = min(count, RECENT)
    off_ms = took_ms - before.mean_ms
    mean_ms = before.mean_ms + off_ms // weight
    variance = (before.variance_ms2 + off_ms * off_ms // weight) * (weight - 1) // weight
    return msgspec.structs.replace(before, count=count, mean_ms=mean_ms, variance_ms2=variance)


def spread_ms(estimate: Estimate) -> int:
    """The standard deviation, in whole milliseconds."""
    return isqrt(estimate.variance_ms2)
