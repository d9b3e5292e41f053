"""LB0 and LB1: by hand, against every way there is, and against what others computed for a real month."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import PRICE, STOPPED, cheapest_now, rent, span

from penstock.reports.limits.levels import level_cost, levels, overlap, zero_wait
from penstock.reports.limits.market import Rent, Span
from penstock.reports.limits.work import work

CHARGED_LATE = 45_000 * PRICE / (PRICE - STOPPED)
"""Resume times of figures for which a stopped machine is still paid for while it comes back."""


def test_levels_are_machines_that_work_and_idle() -> None:
    found = levels(span((0, 10), (5, 10), (12, 1), (20, 5)))
    rows = list(zip(*(column.tolist() for column in found), strict=True))
    # The job at 12 starts while one runs: it takes level 2, which was free since 10.
    assert rows == [(1, 0, 15), (1, 20, 25), (2, 5, 10), (2, 12, 13)]
    assert levels(span((0, 10), (5, 10)), owned=1).level.tolist() == [2]
    assert levels(span((0, 10)), owned=1).level.tolist() == levels(span()).level.tolist() == []


def test_who_starts_takes_over_from_who_ends_at_that_moment() -> None:
    assert levels(span((0, 10), (10, 10))).level.tolist() == [1, 1]


def test_jobs_of_no_length_need_a_machine_and_can_share_one() -> None:
    blinks = span((0, 10), (10, 0), (10, 0), (10, 5), (30, 0))
    assert levels(blinks).level.tolist() == [1, 1, 1, 1]
    assert zero_wait(blinks, Rent(1.0, 10)) == 10 + 15 + 10


def test_a_gap_is_bridged_in_the_cheapest_way() -> None:
    prices = Rent(1.0, boot_ms=100, resume_ms=20, stopped=0.5)
    gaps = np.array([0.0, 10, 20, 100, 1000])
    # On until the 20th, from there half price: called back 20 before the gap ends, given back at last.
    assert prices.bridged(gaps).tolist() == [0, 10, 20, 60, 100]
    assert Rent(1.0, boot_ms=100).bridged(gaps).tolist() == [0, 10, 20, 100, 100]
    assert Rent(1.0, boot_ms=100, resume_ms=20, stopped=1.5).bridged(gaps).tolist() == [0, 10, 20, 100, 100]


def test_the_work_above_the_owned_machines() -> None:
    jobs = span((0, 10), (5, 10), (6, 1))
    for owned, above in ((0, 21), (1, 6), (2, 1), (3, 0)):
        prices = Rent(2.0, 50, owned=owned)
        assert work(levels(jobs, owned), prices) == 2.0 * above


def test_corners_are_valid() -> None:
    jobs = span((0, 10), (100, 10))
    assert zero_wait(jobs, Rent(0.0, 90, 600, 45, 0.1)) == 0
    assert zero_wait(jobs, Rent(1.0)) == 20
    assert zero_wait(jobs, Rent(1.0, 30, resume_ms=0)) == 20 + 30
    assert zero_wait(span(), Rent(1.0, 30)) == 0
    assert zero_wait(jobs, Rent(1.0, 30, cold_ms=5, owned=2)) == 0


times = st.tuples(st.integers(0, 60), st.integers(0, 25))
prices = st.builds(
    Rent,
    st.just(1.0),
    st.integers(0, 30),
    st.just(0),
    st.none() | st.integers(0, 20),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0]),
)


@settings(max_examples=60)
@given(st.lists(times, max_size=6), prices)
def test_without_owned_machines_it_is_the_cheapest_way_there_is(
    jobs: list[tuple[int, int]], prices: Rent
) -> None:
    found = zero_wait(span(*jobs), prices)
    assert found == pytest.approx(cheapest_now(span(*jobs), prices))
    assert found >= work(levels(span(*jobs)), prices)


@settings(max_examples=60)
@given(st.lists(times, max_size=5), prices, st.integers(0, 2), st.integers(0, 40))
def test_no_way_is_cheaper_with_owned_machines_or_cold_ones(
    jobs: list[tuple[int, int]], prices: Rent, owned: int, cold_ms: int
) -> None:
    market = Rent(1.0, prices.boot_ms, cold_ms, prices.resume_ms, prices.stopped, owned)
    assert zero_wait(span(*jobs), market) <= cheapest_now(span(*jobs), market) + 1e-9


def test_a_cold_job_reaches_into_the_gap_behind_it() -> None:
    cold = Rent(1.0, boot_ms=90, cold_ms=600)
    jobs = span((0, 100), (700, 100))
    # One machine, busy from 0 to 700 and on to 800: nothing is left of the gap of 600 that the levels see.
    assert cheapest_now(jobs, cold) == 90 + 700 + 100
    assert level_cost(levels(jobs), cold, cold.wake) > cheapest_now(jobs, cold)
    assert overlap(jobs, cold) == 600
    assert zero_wait(jobs, cold) <= cheapest_now(jobs, cold)
    # A single job has nothing behind it.
    assert zero_wait(span((0, 100)), cold) == 90 + 700


@pytest.mark.parametrize(
    ("cold_s", "resume_ms", "expected"),
    [
        (0, None, 1081.8060),
        (600, None, 1426.5563),
        (0, CHARGED_LATE, 1075.2895),
        (600, CHARGED_LATE, 1176.2867),
    ],
)
def test_the_month_as_others_computed_it(
    observed: Span, cold_s: int, resume_ms: float | None, expected: float
) -> None:
    """Level gaps with a cold start as a charge that takes no time."""
    prices = rent(0, cold_s, resume_ms)
    assert level_cost(levels(observed), prices, prices.wake) == pytest.approx(expected, abs=5e-5)


def test_the_month_as_it_is_billed(observed: Span) -> None:
    # Not paid as stopped while it comes back: 0.03 % less. Cold jobs that last longer: 0.5 % less.
    assert zero_wait(observed, rent()) == pytest.approx(1074.978, abs=1e-3)
    assert zero_wait(observed, rent(0, 600)) == pytest.approx(1170.669, abs=1e-3)
    assert zero_wait(observed, rent(10)) == pytest.approx(427.762, abs=1e-3)


@pytest.mark.parametrize(
    ("owned", "expected", "cold"),
    [(0, 628.8, 707.1), (2, 532.8, 608.4), (5, 423.2, 494.1), (10, 282.8, 345.3), (20, 104.5, 148.7)],
)
def test_the_second_half_as_others_computed_it(
    second_half: Span, owned: int, expected: float, cold: float
) -> None:
    for prices, figure in ((rent(owned, 0, CHARGED_LATE), expected), (rent(owned, 600, CHARGED_LATE), cold)):
        assert level_cost(levels(second_half, owned), prices, prices.wake) == pytest.approx(figure, abs=0.051)
