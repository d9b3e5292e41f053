"""The same work in two pools; and what a commit cost Mozilla before and after spot prices."""

from fractions import Fraction

import pytest

from penstock.model.ledger import BuildCost
from penstock.model.units import decimal_text, micros
from penstock.reports.prices import (
    PoolRuns,
    Run,
    Took,
    excluded,
    factors,
    lines,
    paired,
    pairs_of,
    per_commit,
    unpaired,
)
from tests.ledgers import UNIT, cost, direct, tally


def run(attempt: str, pool: str, commit: str = "c1", amount: int = 10, **about: str) -> Run:
    values = {"project": "core", "name": "zlib:build", "platform": "linux"} | about
    return Run(attempt=attempt, pool=pool, commit=commit, amount_micros=amount, **values)


RUNS = [
    run("a1", "own", amount=0),
    run("a2", "burst", amount=30),
    run("a3", "burst", amount=90),
    run("a4", "own", "c2"),
    run("a5", "burst", "c3"),
    run("a6", "own", ""),
    run("a7", "burst", ""),
    run("a8", "own", "c4", platform="mac"),
    run("a9", "arm"),
]


def test_the_same_job_of_the_same_commit_in_both_pools() -> None:
    assert [[one.attempt for one in pair] for pair in paired(RUNS, ["own", "burst"])] == [["a1", "a2"]]
    assert [[one.attempt for one in pair] for pair in paired(RUNS, ["own", "burst", "arm"])] == [
        ["a1", "a2", "a9"]
    ]
    assert paired(RUNS, ["own", "mars"]) == []


def test_without_pairs_all_on_platforms_of_both() -> None:
    assert [one.attempt for one in unpaired(RUNS, ["own", "arm"])] == ["a1", "a4", "a6", "a9"]
    assert unpaired(RUNS, ["own", "mars"]) == []


def test_each_two_pools() -> None:
    assert pairs_of(["a", "b", "c"]) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_price_and_latency() -> None:
    took = {"a2": Took(5, 100), "a3": Took(50, 300), "a5": Took(7, 200)}
    found = lines(RUNS, ["burst", "own", "mars"], took, {"burst": Fraction(3, 2)})
    assert found == [
        PoolRuns(
            pool="burst", runs=4, mean_micros=35, loaded_micros=53, wait_p50_ms=7, wait_p95_ms=50, run_p50_ms=200,
            run_p95_ms=300,
        ),
        PoolRuns(pool="own", runs=4, mean_micros=8, loaded_micros=8),
    ]  # fmt: skip


def test_what_a_pool_costs_beside_its_direct_costs() -> None:
    spent = [
        direct(10),
        tally("idle", 5, pool="burst"),
        direct(0, pool="own", quantity=7),
        tally("idle", 1, pool="rack"),
    ]
    assert factors(spent) == {"burst": Fraction(3, 2)}
    assert excluded(spent) == ["own"]


ON_DEMAND = {"desktop": "11.93", "fennec": "5.31", "b2g": "13.36"}
SPOT = {"desktop": "8.44", "fennec": "5.31", "b2g": "12.65"}


def checkins(prices: dict[str, str], commits: int = 7) -> list[BuildCost]:
    """What each product line costs for each checkin, in two builds each, one of which is small."""
    found = []
    for number in range(commits):
        for line, price in prices.items():
            small = number + 1
            for name, amount in (("tests", micros(price) - small), ("lint", small)):
                made = cost(f"{number}{line}{name}", 0, project=line, commit=f"{number:040}")
                found.append(
                    BuildCost(
                        build=made.build, day=made.day, project=line, commit=made.commit, amount_micros=amount
                    )
                )
    return found


@pytest.mark.parametrize(("prices", "checkin"), [(ON_DEMAND, "30.600000"), (SPOT, "26.400000")])
def test_what_a_checkin_cost_mozilla(prices: dict[str, str], checkin: str) -> None:
    """30.60 a checkin at on-demand prices and 26.40 with spot, as published from the product lines.

    Source: oduinn.com, 2013-11-20 and 2013-12-13. In-house machines are taken to cost nothing there.
    """
    *projects, every = per_commit(checkins(prices))
    assert {one.project: decimal_text(one.each_micros) for one in projects} == {
        name: decimal_text(micros(price)) for name, price in prices.items()
    }
    assert (decimal_text(every.each_micros), every.commits, every.project) == (checkin, 7, "")


def test_in_house_machines_without_a_price_are_named() -> None:
    spent = [direct(26.4, pool="aws"), direct(0, pool="inhouse", quantity=3_600_000)]
    assert excluded(spent) == ["inhouse"]


def test_builds_of_no_commit_count_each() -> None:
    (core, every) = per_commit([cost("1", 4), cost("2", 6), cost("3", 2, commit="c")])
    assert core.commits == every.commits == 3
    assert core.each_micros == 4 * UNIT
    assert per_commit([]) == []
