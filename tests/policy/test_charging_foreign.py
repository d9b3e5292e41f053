"""What a run of another system is charged for, by that system's own moments."""

import pytest

from penstock.model.units import DAY_MS
from penstock.policy.charging import STEP_MS
from penstock.policy.charging.foreign import floor_ms, ran_ms

NOW = 10 * DAY_MS + 7_200_000


@pytest.mark.parametrize(
    ("began_ms", "ended_ms", "floor", "charged_ms"),
    [
        (NOW - 90_000, NOW - 30_000, 0, 60_000),
        (NOW - 90_000, NOW - 90_000, 0, 0),
        (NOW - 90_000, NOW - 30_000, NOW - 50_000, 20_000),
        (NOW - 90_000, NOW - 30_000, NOW - 10_000, 0),
        (NOW + 5_000, NOW + 8_000, 0, 3_000),
        (NOW + 5_000, NOW + 8_000, NOW - 1_000, 1_000),
        (NOW - 30_000, NOW - 90_000, 0, 0),
    ],
    ids=["whole", "no time", "cut", "before", "their clock is ahead", "ahead and cut", "backwards"],
)
def test_a_run_costs_what_it_took(began_ms: int, ended_ms: int, floor: int, charged_ms: int) -> None:
    assert ran_ms(began_ms, ended_ms, NOW, floor) == charged_ms


def test_what_was_entered_as_idle_is_not_charged_again() -> None:
    hour_ms = 3_600_000
    assert floor_ms(NOW, None, NOW) == 0
    assert floor_ms(NOW, NOW - hour_ms, NOW) == NOW - hour_ms - STEP_MS
    assert floor_ms(NOW - 2 * hour_ms, NOW - hour_ms, NOW) == NOW - 2 * hour_ms, "it was held since then"
    assert floor_ms(NOW, NOW - 5 * hour_ms, NOW) == 10 * DAY_MS - STEP_MS, "midnight cuts all spans"
