"""What jobs asked for beside what they used, and what smaller sizes would save.

Used sizes are kept in steps of 5 %, so a quantile is known to 5 %: the most that its step holds is taken. Memory is the peak of an
attempt, cores are the mean over it. A recommendation is the 95th percentile and a margin, rounded up to whole cores and
to steps of memory; of memory never less than was seen. Of fewer than LEAST attempts, or measured ones, nothing is recommended.

A saving is the share of a machine that is not needed any more, max(cores / its cores, memory / its memory), at what these
attempts cost. It comes true where that room is used by others: by more slots, or by fewer machines.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import msgspec

from penstock.model.ledger import Footprint
from penstock.model.units import Size

LEAST = 20
MARGIN_PERCENT = 20
MEMORY_STEP_MB = 256
PERCENT = 95


class Room(NamedTuple):
    """Machines that jobs of a platform ran on: their size, and what these attempts cost there."""

    size: Size
    amount_micros: int


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """One job on one platform. `cores_milli` are thousandths of a core; p95 and the most that was seen, None where nothing
    was measured. `cores` and `memory_mb` are recommended, None where `why` says why nothing is."""

    project: str
    name: str
    platform: str
    attempts: int
    measured: int
    amount_micros: int
    asked_cores: int
    asked_memory_mb: int | None
    p95_memory_mb: int | None = None
    most_memory_mb: int | None = None
    p95_cores_milli: int | None = None
    cores: int | None = None
    memory_mb: int | None = None
    saving_micros: int = 0
    why: str = ""


def most_in(step: int) -> int:
    """The largest whole number in [1.05^step, 1.05^(step + 1))."""
    begin: int = -(-(21 ** (step + 1)) // 20 ** (step + 1))
    return begin - 1


def at_percent(steps: Mapping[str, int], percent: int) -> int | None:
    """The most that the step holds in which this quantile lies (nearest rank); None where nothing was counted."""
    rank, seen = ceil(Fraction(percent * sum(steps.values()), 100)), 0
    for step in sorted(int(text) for text in steps):
        seen += steps[str(step)]
        if seen >= rank > 0:
            return most_in(step)
    return None


def fits(
    found: Iterable[Footprint], rooms: Mapping[str, Sequence[Room]], margin_percent: int = MARGIN_PERCENT
) -> list[Fit]:
    """All jobs, the largest saving first. `rooms`: of each platform."""
    by_job: dict[tuple[str, str, str], list[Footprint]] = defaultdict(list)
    for one in found:
        by_job[one.project, one.name, one.platform].append(one)
    fitted = [_fit(some, rooms.get(key[2], ()), margin_percent) for key, some in sorted(by_job.items())]
    return sorted(fitted, key=lambda fit: (-fit.saving_micros, -fit.amount_micros))


def _fit(found: Sequence[Footprint], rooms: Sequence[Room], margin_percent: int) -> Fit:
    last = max(found, key=lambda one: one.day)
    memory, cores = _together(one.memory for one in found), _together(one.cores for one in found)
    measured = min(sum(memory.values()), sum(cores.values()))
    fit = Fit(
        project=last.project,
        name=last.name,
        platform=last.platform,
        attempts=sum(one.attempts for one in found),
        measured=measured,
        amount_micros=sum(one.amount_micros for one in found),
        asked_cores=last.asked_cores,
        asked_memory_mb=last.asked_memory_mb,
        p95_memory_mb=at_percent(memory, PERCENT),
        most_memory_mb=at_percent(memory, 100),
        p95_cores_milli=at_percent(cores, PERCENT),
    )
    return _recommended(fit, rooms, margin_percent)


def _together(found: Iterable[Mapping[str, int]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for steps in found:
        counted.update(steps)
    return counted


def _recommended(fit: Fit, rooms: Sequence[Room], margin_percent: int) -> Fit:
    memory, most, milli = fit.p95_memory_mb, fit.most_memory_mb, fit.p95_cores_milli
    if fit.attempts < LEAST:
        return msgspec.structs.replace(fit, why=f"fewer than {LEAST} attempts")
    if fit.measured < LEAST or memory is None or most is None or milli is None:
        return msgspec.structs.replace(fit, why=f"fewer than {LEAST} attempts were measured")
    cores = min(fit.asked_cores, max(1, -(-milli * (100 + margin_percent) // 100_000)))
    needed = max(-(-memory * (100 + margin_percent) // 100), most)
    stepped = -(-needed // MEMORY_STEP_MB) * MEMORY_STEP_MB
    asked = fit.asked_memory_mb
    memory_mb = stepped if asked is None else min(asked, stepped)
    if cores == fit.asked_cores and memory_mb == asked:
        why = "more memory than it asks for" if asked is not None and needed > asked else "it fits"
        return msgspec.structs.replace(fit, why=why)
    smaller = msgspec.structs.replace(fit, cores=cores, memory_mb=memory_mb)
    return msgspec.structs.replace(smaller, saving_micros=_saving(smaller, rooms))


def _saving(fit: Fit, rooms: Sequence[Room]) -> int:
    """What the attempts cost, less the same share of it that the smaller size is of the one asked for, in each kind of machine."""
    whole = sum(room.amount_micros for room in rooms)
    if not whole:
        return 0
    kept = sum(_kept(fit, room.size) * room.amount_micros for room in rooms) / whole
    return floor(fit.amount_micros * (1 - kept) + Fraction(1, 2))


def _kept(fit: Fit, machine: Size) -> Fraction:
    """The share of such a machine that the smaller size takes, of the share that is asked for; at most 1."""
    asked = _share(Size(fit.asked_cores, fit.asked_memory_mb), machine)
    return min(Fraction(1), _share(Size(fit.cores or fit.asked_cores, fit.memory_mb), machine) / asked)


def _share(size: Size, machine: Size) -> Fraction:
    cores = Fraction(size.cores, machine.cores)
    if size.memory_mb is None or not machine.memory_mb:
        return cores
    return max(cores, Fraction(size.memory_mb, machine.memory_mb))
