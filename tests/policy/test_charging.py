"""Money in integers: what an attempt held, at its machine's price, shared among its slots."""

import pytest
from conformance import samples

from penstock.model.states import AttemptState
from penstock.policy.charging import cost_micros, held_ms

ATTEMPT = samples.attempt(
    "a", job="j", machine="m", state=AttemptState.RUNNING, price_per_hour_micros=403_200, granted_ms=10_000
)


@pytest.mark.parametrize(
    ("now_ms", "measured_ms", "held"),
    [
        (70_000, 0, 60_000),
        (70_000, 50_000, 60_000),
        (10_000, 300, 300),  # farm time stood still
        (10_000, 3_600_000, 30_000),  # no agent can claim more than a step
        (5_000, 0, 0),
    ],
)
def test_held_time_is_farm_time_unless_the_agent_measured_finer(
    now_ms: int, measured_ms: int, held: int
) -> None:
    assert held_ms(ATTEMPT, now_ms, measured_ms) == held


def test_an_hour_of_one_of_four_slots_costs_a_quarter_of_the_price() -> None:
    assert cost_micros(ATTEMPT, 4, 3_600_000) == 100_800
    assert cost_micros(ATTEMPT, 1, 3_600_000) == 403_200
    assert cost_micros(ATTEMPT, 0, 3_600_000) == 403_200


def test_the_share_of_a_machine_is_rounded_once_and_half_up() -> None:
    assert cost_micros(ATTEMPT, 2, 9) == 1, "0.504: rounding before sharing made nothing of it"
    assert cost_micros(ATTEMPT, 2, 8) == 0, "0.448"
