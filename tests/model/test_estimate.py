"""What is learnt of durations: the plain mean at first, then the newer runs count more."""

from statistics import mean, pvariance

import hypothesis.strategies as st
from hypothesis import given

from penstock.model.estimate import RECENT, Estimate, learnt, spread_ms

NOTHING = Estimate(project="", name="zlib:build", platform="linux")


def after(*runs_ms: int) -> Estimate:
    found = NOTHING
    for run_ms in runs_ms:
        found = learnt(found, run_ms)
    return found


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=RECENT))
def test_the_first_runs_count_alike(runs_ms: list[int]) -> None:
    found = after(*runs_ms)
    assert found.count == len(runs_ms)
    assert abs(found.mean_ms - mean(runs_ms)) <= len(runs_ms)
    # Whole milliseconds lose less than a few of them at each step.
    assert abs(found.variance_ms2**0.5 - pvariance(runs_ms) ** 0.5) <= 0.001 * max(runs_ms) + 100


def test_older_runs_fade() -> None:
    changed = after(*[1000] * 50, *[9000] * 40)
    assert 8900 < changed.mean_ms <= 9000
    assert changed.count == 90


def test_the_spread_is_that_of_the_runs() -> None:
    assert spread_ms(after(1000, 1000, 1000)) == 0
    assert spread_ms(after(1000, 3000)) == 1000


@given(st.lists(st.integers(0, 86_400_000), max_size=60))
def test_an_estimate_stays_within_what_was_seen_and_fits_its_column(runs_ms: list[int]) -> None:
    found = after(*runs_ms)
    assert 0 <= found.mean_ms <= max(runs_ms, default=0)
    assert 0 <= found.variance_ms2 < 2**63
