"""More runs for the page's curves: the price of waiting, and the number of owned machines. On all cores."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from penstock.cli.simulation.inputs import Inputs
from penstock.cli.simulation.runs import Case, Run
from penstock.cli.simulation.several import answers
from penstock.cli.simulation.showing import Steps
from penstock.model.rules import Rules
from penstock.model.units import MICROS_PER_UNIT
from penstock.reports.compare import Document

PRICES = (0, 1, 5, 20, 60)
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
JOBS_MOST = 200_000
"""With more jobs a dozen further runs take minutes: `penstock sweep` does them, and can be interrupted."""


class Point(NamedTuple):
    """One more run: the price or the number of machines that was set, and what came out."""

    at: float
    document: Document


class Curves(NamedTuple):
    """The curves of one farm under one policy. `skipped`: why there are none."""

    prices: tuple[Point, ...] = ()
    machines: tuple[Point, ...] = ()
    now: int = 0
    skipped: str = ""


def curves_of(inputs: Inputs, first: Run, steps: Steps) -> Curves:
    """The curves of the first run's farm and policy."""
    if inputs.workload.jobs > JOBS_MOST:
        return Curves(
            skipped=f"not drawn for more than {JOBS_MOST:,} jobs: `penstock sweep` runs them, with progress"
        )
    rules = first.farm.rules
    sizes = machine_counts(rules, first.outcome.owned)
    varied = [with_price(rules, price) for price in PRICES] + [
        with_machines(rules, first.outcome.owned, factor) for factor, _ in sizes
    ]
    found = _documents(inputs, [Case(one, first.policy, inputs.seed, inputs.faults) for one in varied], steps)
    machines = tuple(
        Point(count, document) for (_, count), document in zip(sizes, found[len(PRICES) :], strict=True)
    )
    now = sum(p.machines for p, is_owned in zip(rules.pools, first.outcome.owned, strict=True) if is_owned)
    prices = tuple(Point(price, document) for price, document in zip(PRICES, found, strict=False))
    return Curves(prices, machines, now)


def _documents(inputs: Inputs, cases: Sequence[Case], steps: Steps) -> list[Document]:
    found: dict[int, Document] = {}
    steps.begin(f"curves: {len(cases)} more runs on all cores")
    for number, document in answers(inputs.workload, cases):
        found[number] = document
        steps.begin(f"curves: {len(found)} of {len(cases)} more runs on all cores")
    return [found[number] for number in range(len(cases))]


def with_price(rules: Rules, price: int) -> Rules:
    """The farm with another price of waiting."""
    waiting = msgspec.structs.replace(rules.waiting, price_per_hour_micros=price * MICROS_PER_UNIT)
    return msgspec.structs.replace(rules, waiting=waiting)


def with_machines(rules: Rules, owned: Sequence[bool], factor: float) -> Rules:
    """The farm with so many times as many machines in every owned pool."""
    pools = tuple(
        msgspec.structs.replace(pool, machines=round(pool.machines * factor)) if is_owned else pool
        for pool, is_owned in zip(rules.pools, owned, strict=True)
    )
    return msgspec.structs.replace(rules, pools=pools)


def machine_counts(rules: Rules, owned: Sequence[bool]) -> list[tuple[float, int]]:
    """Factors and how many machines each gives, each number once. Owned pools of a machine each grow by whole ones."""
    found: dict[int, float] = {}
    for factor in FACTORS:
        pools = with_machines(rules, owned, factor).pools
        count = sum(pool.machines for pool, is_owned in zip(pools, owned, strict=True) if is_owned)
        found.setdefault(count, factor)
    return [(factor, count) for count, factor in found.items()] if len(found) > 1 else []
