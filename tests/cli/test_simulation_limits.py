"""A farm in the words of reports/limits: what kinds of jobs there are, what pools take, when needs are ended at the soonest."""

import pytest
from simulated import workload

from penstock.cli.simulation.limits import limit_of
from penstock.model.rules import Pool, Quantiles, Rules

HOUR = 3600
BURST = Pool(
    name="burst",
    provider="ec2",
    platforms=("linux",),
    price_per_hour_micros=1_000_000,
    boot=Quantiles(90_000, 90_000),
)
OWN = Pool(name="own", provider="owned", platforms=("linux",), machines=1)


def farm(*pools: Pool) -> Rules:
    return Rules(pools=pools)


ONE = [{"at_s": 0, "runs_s": HOUR}]


def test_one_job_on_rented_machines_costs_its_hour_and_a_boot() -> None:
    found = limit_of(workload(ONE), farm(BURST), "quick")
    assert (found.work, found.kind) == (pytest.approx(1), "exact")
    assert found.zero_wait == pytest.approx(1 + 90 / HOUR)
    assert found.at_target == pytest.approx(1 + 90 / HOUR)


def test_owned_machines_and_platforms_that_nobody_has_cost_nothing() -> None:
    assert limit_of(workload(ONE), farm(OWN, BURST), "quick").zero_wait == 0
    mac = [{"at_s": 0, "runs_s": HOUR, "platform": "macos"}]
    assert limit_of(workload(mac), farm(BURST), "quick").zero_wait == 0


@pytest.mark.parametrize(
    "changed", [{"boot": Quantiles(90_000, 150_000)}, {"uses": 1}, {"suspend_ms": 5}, {"delete_ms": 5}]
)
def test_what_the_limit_does_not_reckon_with_makes_it_a_bound(changed: dict[str, object]) -> None:
    import msgspec

    found = limit_of(workload(ONE), farm(msgspec.structs.replace(BURST, **changed)), "quick")
    assert found.kind == "bound"
    assert found.zero_wait is not None
    assert 1 < found.zero_wait <= 1 + 90 / HOUR


def test_needs_end_before_a_job_is_ready_and_only_nobody_waits_has_a_limit() -> None:
    """Two jobs of an hour one after the other need one machine; at once they would need two."""
    jobs = [{"at_s": 0, "runs_s": HOUR}, {"at_s": 0, "runs_s": HOUR}, {"at_s": 0, "runs_s": HOUR}]
    chain = limit_of(workload(jobs, [[1], [2], []]), farm(BURST), "full")
    assert chain.zero_wait == pytest.approx(3 + 90 / HOUR)
    assert (chain.at_target, chain.at_target_share) == (None, None)
    assert limit_of(workload(jobs), farm(BURST), "quick").zero_wait == pytest.approx(3 + 270 / HOUR)


def test_a_job_is_ready_when_the_last_of_its_needs_has_ended_however_long_their_chain() -> None:
    """The last one needs the first and a chain of two; while that goes on one machine does all but the second job."""
    jobs = [{"at_s": 0, "runs_s": hours * HOUR} for hours in (1, 2, 1, 1)]
    found = limit_of(workload(jobs, [[], [], [1], [0, 2]]), farm(BURST), "quick")
    assert found.work == pytest.approx(5)
    assert found.zero_wait == pytest.approx(5 + 180 / HOUR)
    late = [*jobs[:3], {"at_s": 10 * HOUR, "runs_s": HOUR}]
    assert limit_of(workload(late, [[], [], [1], [0, 2]]), farm(BURST), "quick").zero_wait == pytest.approx(
        5 + 270 / HOUR
    )


def test_a_promise_is_not_searched_for_in_a_long_history_unless_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from penstock.cli.simulation import limits

    monkeypatch.setattr(limits, "QUICK_JOBS_MOST", 0)
    assert limit_of(workload(ONE), farm(BURST), "quick").at_target is None
    assert limit_of(workload(ONE), farm(BURST), "full").at_target is not None
