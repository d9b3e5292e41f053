"""What a run cost and how near that is to the limits, as the document that others script against."""

import json

import pytest
from simulated import T0, outcome, workload

from penstock.model.outcome import PoolCosts
from penstock.model.rules import Pool, Waiting
from penstock.reports import compare

JOBS = [(0, 0, 10, 10, 0), (0, 10, 30, 20, 0), (5, 65, 95, 30, 1), (7, -1, -1, 0, 0)]
WAITING = Waiting(price_per_hour_micros=36_000_000, target_ms=10_000)
POOLS = [
    Pool(name="own", provider="owned", platforms=("linux",), machines=2, slots=1),
    Pool(name="burst", provider="ec2", platforms=("linux",), slots=2, price_per_hour_micros=3_600_000),
]


def test_the_document_of_a_policy() -> None:
    limit = compare.Limit(1.0, 2.0, "exact", 1.5, None)
    found = compare.policy_document(outcome(JOBS), WAITING, "EUR", limit)
    assert found == {
        "jobs_finished": 3,
        "jobs_lost": 1,
        "wait_s": {"mean": 23.333333, "p50": 10.0, "p95": 60.0, "p99": 60.0, "max": 60.0},
        "within_target": 0.5,
        "cost": {
            "total": 2.5, "owned": 0.0, "rented": 2.5, "idle": 0.3, "lifecycle": 0.2, "currency": "EUR",
        },
        "score": 3.2,
        "machines": {"boots": 3, "resumes": 2, "peak": 2},
        "owned_share": 0.5,
        "owned_share_jobs": 0.666667,
        "limit": {
            "work": 1.0, "zero_wait": 2.0, "kind": "exact", "at_target": 1.5, "at_target_share": None,
            "ratio_zero_wait": 1.6, "ratio_at_target": 2.133333,
        },
        "event_digest": "sha256:00",
    }  # fmt: skip
    json.dumps(found, allow_nan=False)


def test_jobs_that_no_pool_takes_are_neither_finished_nor_lost() -> None:
    run = outcome(JOBS, dropped={"no pool has its platform": 1})
    found = compare.policy_document(run, WAITING, "EUR", compare.Limit())
    assert (found["jobs_finished"], found["jobs_lost"], found["within_target"]) == (3, 0, 0.666667)


def test_nothing_is_not_a_number_when_nothing_happened() -> None:
    nothing = outcome([], costs=[PoolCosts(), PoolCosts()])
    found = compare.policy_document(nothing, WAITING, "EUR", compare.Limit())
    assert found["wait_s"] == dict.fromkeys(("mean", "p50", "p95", "p99", "max"))
    assert found["within_target"] is found["owned_share"] is found["owned_share_jobs"] is None
    assert found["limit"]["ratio_zero_wait"] is None
    assert found["score"] == 0


def test_a_limit_of_nothing_has_no_ratio() -> None:
    limits = compare.limit_figures(compare.Limit(0.0, 0.0, "exact", 0.0), outcome(JOBS), 3.0)
    assert limits["ratio_zero_wait"] is limits["ratio_at_target"] is None


def test_owned_machines_are_on_neither_side_of_a_ratio() -> None:
    run = outcome(JOBS, costs=[PoolCosts(owned=7_000_000), PoolCosts(running=3_000_000)])
    assert compare.costs(run) == (10_000_000, 7_000_000, 3_000_000, 0, 0)
    assert compare.limit_figures(compare.Limit(None, 1.5), run, 10.0)["ratio_zero_wait"] == 2.0


def test_figures_have_six_decimals_and_no_negative_zero() -> None:
    assert compare.figure(1 / 3) == 0.333333
    assert str(compare.figure(-0.0000001)) == "0.0"
    assert compare.figure(None) is None


def test_no_bill_is_below_the_rent_of_what_owned_machines_cannot_have_done() -> None:
    """Two owned slots for 10 seconds at speed 1; 60 seconds of work; 1.8 an hour is the price of a rented slot."""
    run = outcome([(0, 0, 10, 10, 0)], work_ms=[20_000, 40_000], ended_ms=T0 + 10_000)
    assert compare.least_rent_micros(run, POOLS) == pytest.approx(1_800_000 * 40 / 3600)
    bill = [PoolCosts(), PoolCosts(running=20_000)]
    assert compare.undercut(run._replace(costs=bill), POOLS) == ""
    less = run._replace(costs=[PoolCosts(), PoolCosts(running=19_000)])
    assert compare.undercut(less, POOLS) == (
        "rented machines cost 0.019, and nobody can rent what they did for less than 0.02"
    )


def test_quick_machines_do_more_and_owned_ones_alone_rent_nothing() -> None:
    run = outcome(
        [(0, 0, 10, 10, 0)], work_ms=[10_000], pools=["own"], owned=[True], peaks=[1], costs=[PoolCosts()]
    )
    assert compare.least_rent_micros(run, POOLS[:1]) == 0
    assert compare.undercut(run, POOLS[:1]) == ""


def test_the_history_is_described_by_what_was_recorded() -> None:
    history = workload(
        [{"at_s": 0, "runs_s": 50, "started_s": 30}, {"at_s": 60, "runs_s": 5}, {"at_s": 61.5, "runs_s": 10}]
    )
    assert compare.history_document(history, {"never ran": 2, "a": 1}) == {
        "jobs": 3, "dropped": {"a": 1, "never ran": 2}, "span_s": 80.0,
    }  # fmt: skip
    assert compare.history_document(workload([]), {})["span_s"] == 0
