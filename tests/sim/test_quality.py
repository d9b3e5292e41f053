"""The policy on recorded days it was not made with: how near it stays to what no schedule undercuts, and below every preset.

The limits are those that `python -m bench policy` computes; their own tests are in tests/reports. Slow to search, they
stand here as numbers. The ratios allowed are one hundredth above those in docs/reference/benchmarks.md.
"""

from pathlib import Path

import pytest

from bench import histories, policy, sizes
from penstock.policy.capacity.preset_numbers import PRESETS

HISTORY = "bitcoin, from day 12"
LIMITS = {0: 601.9, 5: 354.4, 10: 178.5}
"""Dollars in which every job starts within 15 minutes, by owned machines."""
AVOID = {0: 1.033, 5: 1.141, 10: 1.312}
SPEND = {0: 1.028, 5: 1.079, 10: 1.167}


@pytest.fixture(autouse=True)
def recorded(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "DATA", shared_data)


def test_it_is_the_recorded_half() -> None:
    assert histories.history(HISTORY).jobs == 4639


@pytest.mark.parametrize(("lateness", "allowed"), [("avoid", AVOID), ("spend", SPEND)])
@pytest.mark.parametrize("owned", LIMITS)
def test_the_policy_is_near_the_limit_and_keeps_the_promise(
    owned: int, lateness: str, allowed: dict[int, float]
) -> None:
    got = policy.reached(policy.Setting(HISTORY, owned, 0), "penstock", lateness)
    assert got.score <= allowed[owned] * LIMITS[owned]
    assert got.in_time >= policy.PROMISED


@pytest.mark.parametrize("owned", LIMITS)
def test_no_preset_is_as_cheap(owned: int) -> None:
    setting = policy.Setting(HISTORY, owned, 0)
    ours = policy.reached(setting, "penstock")
    for preset in PRESETS[1:]:
        assert ours.score < policy.reached(setting, preset).score, preset


def test_small_jobs_leave_machines_whole_for_big_ones() -> None:
    jobs = sizes.mixed(0.8, (1, 8))
    policy, first_come = (sizes.mean_s(jobs, preset) for preset in ("penstock", "burst-at-once"))
    assert policy <= 1.05 * first_come
