"""What the next year would cost if a resource were used more, less, or not at all.

It is computed on the parts as they are printed when they are rounded, as a reader of the table would, and else on the
exact ones: QEMU's compute twice uses its credit up on day 363 by the one, on day 360 by the other. Which is said.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from penstock.reports.forecast.figures import Unanswerable
from penstock.reports.forecast.run_rate import Part

TIMES = re.compile(r"(?P<name>.+)=x(?P<times>\d{1,9}(\.\d{1,6})?)", re.S)


class Changed(NamedTuple):
    """A year after changes. `saves`: what it costs less than without them, negative where it costs more."""

    year: Fraction
    saves: Fraction


def changes_of(times: Sequence[str], off: Sequence[str]) -> dict[str, Fraction]:
    """By resource how many times as much is used: from texts such as "k8s=x2", and names of what is off.

    Raises Unanswerable for what says something else, or two things of one resource."""
    found: dict[str, Fraction] = {}
    for text in times:
        said = TIMES.fullmatch(text)
        if said is None:
            raise Unanswerable(f"{text!r} says no change", "write RESOURCE=x2, or x0.5")
        _add(found, said["name"], Fraction(said["times"]))
    for name in off:
        _add(found, name, Fraction(0))
    return found


def _add(found: dict[str, Fraction], name: str, times: Fraction) -> None:
    if name in found:
        raise Unanswerable(f"{name!r} is changed twice", "say once what becomes of it")
    found[name] = times


def changed(parts: Sequence[Part], years: Mapping[str, Fraction], changes: Mapping[str, Fraction]) -> Changed:
    """The sum of `years`, next year's parts by name, after `changes`. Raises Unanswerable for names of nothing."""
    retired = {part.name for part in parts if part.is_retired}
    for name in changes:
        if name in retired:
            raise Unanswerable(f"{name!r} is retired: nothing of it is in next year", "name another resource")
        if name not in years:
            known = ", ".join(part.name for part in parts if part.name not in retired)
            raise Unanswerable(f"both readings name no {name!r}", f"name one of: {known}")
    before = sum(years.values(), Fraction(0))
    after = sum((year * changes.get(name, 1) for name, year in years.items()), Fraction(0))
    return Changed(after, before - after)


def may_grow(part: Fraction, year: Fraction, credit: Decimal) -> Fraction | None:
    """How many times as much of a part a credit pays for when all else stays; None where more costs nothing. 0 where
    all else alone is too much."""
    return max(Fraction(0), 1 + (Fraction(credit) - year) / part) if part > 0 else None
