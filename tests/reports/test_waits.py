"""Waits: quantiles that occurred, shares in time, groups, Little's law, and how far recorded ones lie apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import outcome, workload

from penstock.reports import waits as reported

JOBS = [(0, 0, 10, 10, 0), (0, 10, 30, 20, 0), (5, 65, 95, 30, 1), (7, -1, -1, 0, 0)]
WAITED = [0, 10_000, 60_000, -1]


def test_a_wait_is_from_ready_to_the_first_start() -> None:
    assert list(reported.wait_column(outcome(JOBS))) == WAITED


def test_mean_quantiles_and_maximum_are_of_those_that_started() -> None:
    found = reported.waits(WAITED)
    assert found == (3, pytest.approx(70_000 / 3), 10_000, 60_000, 60_000, 60_000)


def test_without_waits_nothing_is_known() -> None:
    assert reported.waits([-1, -1]) == reported.NOBODY


@pytest.mark.parametrize(
    ("percent", "found"), [(0, 1), (1, 1), (50, 50), (94.5, 95), (95, 95), (95.01, 96), (99, 99), (100, 100)]
)
def test_a_quantile_is_the_smallest_that_so_many_do_not_exceed(percent: float, found: int) -> None:
    assert reported.quantile(range(1, 101), percent) == found


def test_floating_point_moves_no_quantile() -> None:
    assert reported.quantile(range(1, 1001), 99.9) == 999


@given(st.lists(st.integers(0, 2_000), min_size=1), st.sampled_from([50, 90, 95, 99]))
def test_a_quantile_is_in_time_exactly_when_that_share_is(column: list[int], percent: int) -> None:
    share = reported.in_time(column, 1_000)
    assert share is not None
    kept = sum(wait <= 1_000 for wait in column) * 100 >= percent * len(column)
    assert (reported.quantile(sorted(column), percent) <= 1_000) == kept


def test_what_never_started_is_not_in_time() -> None:
    assert reported.in_time(WAITED, 10_000) == 0.5
    assert reported.in_time([], 10_000) is None


def test_groups_have_their_own_waits_and_empty_ones_are_left_out() -> None:
    groups = reported.by_group([30, 10, 20, -1], [0, 0, 2, 3], ["linux", "unused", "windows", "macos"])
    assert groups == {"linux": [10, 30], "windows": [20], "macos": []}


def test_littles_law_holds_for_each_pool_that_ended_jobs() -> None:
    own, burst = reported.little(outcome(JOBS))
    assert (own.pool, own.jobs, burst.pool, burst.jobs) == ("own", 2, "burst", 1)
    # 95 seconds of the run: 10 + 30 seconds inside one, 90 inside the other.
    assert own.inside == pytest.approx(40 / 95)
    assert own.rate_per_hour == pytest.approx(2 / 95 * 3600)
    assert own.stay_ms == pytest.approx(20_000)
    assert burst.stay_ms == 90_000
    assert own.residual == burst.residual == 0


def test_littles_law_shows_books_that_cannot_be() -> None:
    """A job that ends before it is ready takes nothing from what is inside."""
    (found,) = reported.little(outcome([(0, 0, 10, 10, 0), (50, 50, 30, 0, 0)]))
    assert found.residual > 0.1


def test_a_run_of_no_length_has_no_rates() -> None:
    assert reported.little(outcome([(0, 0, 0, 0, 0)])) == []
    assert reported.little(outcome([])) == []


def test_a_stay_of_no_length_leaves_no_residual() -> None:
    (found,) = reported.little(outcome([(5, 5, 5, 0, 0)]))
    assert (found.inside, found.residual) == (0, 0)


def test_recorded_waits_count_from_the_end_of_the_last_need() -> None:
    history = workload(
        [
            {"at_s": 0, "runs_s": 10, "started_s": 4},
            {"at_s": 0, "runs_s": 10, "started_s": 20},
            {"at_s": 0, "runs_s": 10},
            {"at_s": 0, "runs_s": 10, "started_s": 1},
        ],
        [[], [0, 2], [], [2]],
    )
    assert list(reported.recorded_column(history)) == [4_000, 6_000, -1, 1_000]


def test_a_start_before_its_need_ended_counts_as_no_wait() -> None:
    history = workload(
        [{"at_s": 0, "runs_s": 10, "started_s": 0}, {"at_s": 0, "runs_s": 10, "started_s": 5}], [[], [0]]
    )
    assert list(reported.recorded_column(history)) == [0, 0]


def test_a_history_without_needs_records_from_submission() -> None:
    assert list(reported.recorded_column(workload([{"at_s": 1, "runs_s": 1, "started_s": 3}]))) == [2_000]


def test_the_residual_compares_what_both_have() -> None:
    found = reported.residual([0, 10, 50, -1, 7], [5, 0, 110, 3, -1])
    assert found.recorded.mean_ms == 20
    assert found.simulated.max_ms == 110
    assert found.difference_ms == pytest.approx((5 - 10 + 60) / 3)
    assert found.apart_ms == 10
    assert found.told


def test_a_history_without_waits_says_so() -> None:
    assert not reported.residual([0, 0], [5, 5]).told
    assert reported.residual([-1], [5]) == (reported.NOBODY, reported.NOBODY, None, None, False)
