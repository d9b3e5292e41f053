"""How long jobs of a name last, learnt from those that ended: never from one that has not.

Per name the last 31 durations, per island the last 501 of all names, each kept sorted and as a ring
(research: the median of the last durations was better than ratios or longer memories). Durations are work at speed 1,
without the extra time of a cold cache.
"""

from penstock.policy.capacity.columns import (
    FIRST_GUESS_MS,
    ISLAND_ALL_NAMES,
    NAME_AT,
    NAME_COUNT,
    NAME_FROM,
    NAME_ISLAND,
    NAME_ROOM,
    Column,
    Farm,
)

ESTIMATE_PPM = 600_000
"""The quantile that serves as estimate."""
ENOUGH = 3
"""Samples from which on a name speaks for itself."""
SHORTEST_REST_MS = 60_000


def learn(farm: Farm, name: int, worked_ms: int) -> None:
    """A job of this name ended after this much work."""
    _keep(farm, name, worked_ms)
    _keep(farm, farm.islands[ISLAND_ALL_NAMES][farm.names[NAME_ISLAND][name]], worked_ms)


def estimate_ms(farm: Farm, name: int) -> int:
    """Expected work of a job of this name; with fewer than three samples mixed with what all names say."""
    count = farm.names[NAME_COUNT][name]
    own = quantile_ms(farm, name, ESTIMATE_PPM)
    if count >= ENOUGH:
        return own
    everything = farm.islands[ISLAND_ALL_NAMES][farm.names[NAME_ISLAND][name]]
    of_all = quantile_ms(farm, everything, ESTIMATE_PPM)
    if farm.names[NAME_COUNT][everything] == 0:
        of_all = FIRST_GUESS_MS
    return (count * own + 2 * of_all) // (count + 2)


def quantile_ms(farm: Farm, name: int, ppm: int) -> int:
    """The quantile of a row's samples: sorted[int(n q)]; 0 without samples."""
    count = farm.names[NAME_COUNT][name]
    if count == 0:
        return 0
    return farm.samples[farm.names[NAME_FROM][name] + count * ppm // 1_000_000]


def remaining_ms(farm: Farm, name: int, age_ms: int, ppm: int) -> int:
    """How much longer a job of this name works that has worked for `age_ms`: a quantile of the longer samples.

    Where the name has fewer than three longer ones, all names are asked, then a rule of thumb.
    """
    found = _rest_ms(farm, name, age_ms, ppm)
    if found < 0:
        everything = farm.islands[ISLAND_ALL_NAMES][farm.names[NAME_ISLAND][name]]
        found = _rest_ms(farm, everything, age_ms, ppm)
        if found < 0 and farm.names[NAME_COUNT][everything] == 0:
            return max(SHORTEST_REST_MS, FIRST_GUESS_MS - age_ms)
    return found if found >= 0 else max(SHORTEST_REST_MS, age_ms // 2)


def _rest_ms(farm: Farm, name: int, age_ms: int, ppm: int) -> int:
    """The quantile of the samples that are longer than `age_ms`, less it; -1 when they are too few."""
    begin = farm.names[NAME_FROM][name]
    end = begin + farm.names[NAME_COUNT][name]
    longer = _after(farm.samples, begin, end, age_ms)
    if end - longer < ENOUGH:
        return -1
    return farm.samples[longer + (end - longer) * ppm // 1_000_000] - age_ms


def _after(samples: Column, begin: int, end: int, value: int) -> int:
    """The first place in the sorted samples[begin:end] that is larger than `value`."""
    while begin < end:
        middle = (begin + end) // 2
        if samples[middle] > value:
            end = middle
        else:
            begin = middle + 1
    return begin


def _keep(farm: Farm, name: int, worked_ms: int) -> None:
    """Add a sample; when the row is full, the oldest goes."""
    names, samples, ring = farm.names, farm.samples, farm.ring
    begin, count, at = names[NAME_FROM][name], names[NAME_COUNT][name], names[NAME_AT][name]
    end = begin + count
    if count == names[NAME_ROOM][name]:
        gap = _after(samples, begin, end, ring[begin + at]) - 1
    else:
        gap = end
        names[NAME_COUNT][name] = count + 1
    while gap > begin and samples[gap - 1] > worked_ms:
        samples[gap] = samples[gap - 1]
        gap -= 1
    last = begin + names[NAME_COUNT][name] - 1
    while gap < last and samples[gap + 1] < worked_ms:
        samples[gap] = samples[gap + 1]
        gap += 1
    samples[gap] = worked_ms
    ring[begin + at] = worked_ms
    names[NAME_AT][name] = (at + 1) % names[NAME_ROOM][name]
