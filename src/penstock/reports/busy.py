"""How busy the machines of a pool are: slots that were held beside slots that were there, in quarters of an hour.

A quantile of 95 % is exceeded in one quarter of twenty: a pool of that size would have had somebody wait then.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

import msgspec

from penstock.reports.load import Grid, Span, mean_inside
from penstock.reports.rightsize import PERCENT, most_in
from penstock.reports.waits import quantile

QUARTER_MS = 900_000


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """One pool: thousandths of slots and of machines at their 95th percentile, held and there.

    `needed`: machines that hold as many slots; `used_ppm`: of all slot time that was there the part that was held, None
    where nothing was there. `cores_milli`: thousandths of cores at work then, as their attempts used on average; None: not known.
    """

    pool: str
    slots: int
    held_milli: int
    machines_milli: int
    needed: int
    used_ppm: int | None
    cores_milli: int | None = None


def quarters(begun_ms: int, ended_ms: int) -> Grid:
    """The quarters of an hour from one to the other; at least one."""
    first = begun_ms // QUARTER_MS * QUARTER_MS
    return Grid(first, QUARTER_MS, max(1, -(-(ended_ms - first) // QUARTER_MS)))


def busy(pool: str, slots: int, held: Iterable[Span], there: Iterable[Span], cells: Grid) -> Busy:
    """How busy a pool with so many slots on each machine was. `held`: when each slot, `there`: when each machine."""
    taken, up = (_milli(mean_inside(spans, cells)) for spans in (held, there))
    taken_milli, up_milli = (quantile(sorted(found), PERCENT) for found in (taken, up))
    whole = sum(up) * slots
    return Busy(
        pool=pool,
        slots=slots,
        held_milli=taken_milli,
        machines_milli=up_milli,
        needed=ceil(taken_milli / (1000 * slots)),
        used_ppm=sum(taken) * 1_000_000 // whole if whole else None,
    )


def with_cores(found: Busy, steps: Mapping[str, int]) -> Busy:
    """The same with the cores that are at work. `steps`: attempts of the pool's platforms by the cores that they used."""
    mean = mean_of(steps)
    return (
        found if mean is None else msgspec.structs.replace(found, cores_milli=found.held_milli * mean // 1000)
    )


def mean_of(steps: Mapping[str, int]) -> int | None:
    """The mean of what was counted in steps, each taken for the most that it holds; None where nothing was."""
    count = sum(steps.values())
    return sum(most_in(int(step)) * n for step, n in steps.items()) // count if count else None


def _milli(found: Sequence[float]) -> list[int]:
    return [round(1000 * one) for one in found]
