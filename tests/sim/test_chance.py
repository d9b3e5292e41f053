"""Chance and distributions: the same everywhere, and as they should be."""

import statistics

import pytest

from penstock.model.rules import Quantiles
from penstock.model.units import charge_micros
from penstock.sim.engine.chance import draw
from penstock.sim.engine.money import charge, paid_ms
from penstock.sim.quantiles import EXPONENTIAL_UNIT, TIMES, exponential, lognormal_ms


def test_draws_are_even_and_independent_of_each_other() -> None:
    drawn = [draw(1, number, 1) / 2**31 for number in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(0.5, abs=0.01)
    assert statistics.stdev(drawn) == pytest.approx(12**-0.5, abs=0.01)
    for other in (
        [draw(2, number, 1) / 2**31 for number in range(20_000)],
        [draw(1, number, 2) / 2**31 for number in range(20_000)],
        [draw(1, number + 2**40, 1) / 2**31 for number in range(20_000)],
        [*drawn[1:], drawn[0]],
    ):
        assert abs(statistics.correlation(drawn, other)) < 0.03


def test_wake_times_go_through_both_quantiles() -> None:
    times = sorted(lognormal_ms(Quantiles(90_000, 150_000)))
    assert times[TIMES // 2] == pytest.approx(90_000, rel=0.001)
    assert times[TIMES * 95 // 100] == pytest.approx(150_000, rel=0.001)
    assert set(lognormal_ms(Quantiles(5, 5))) == {5}
    assert sorted(lognormal_ms(Quantiles(0, 100)))[TIMES * 95 // 100] == pytest.approx(100, rel=0.01)


def test_the_exponential_law_has_its_mean() -> None:
    assert statistics.fmean(exponential()) == pytest.approx(EXPONENTIAL_UNIT, rel=0.001)


@pytest.mark.parametrize("price", [0, 1, 403_200, 999_999_999_999])
@pytest.mark.parametrize("duration_ms", [0, 1, 4_500, 3_600_000, 3_600_001, 10**11])
def test_money_is_what_units_say(price: int, duration_ms: int) -> None:
    assert charge(price, duration_ms) == charge_micros(price, duration_ms)


def test_a_provider_rounds_up_and_has_a_minimum() -> None:
    assert [paid_ms(lasted, 1000, 60_000) for lasted in (0, 1, 60_000, 60_001)] == [
        60_000,
        60_000,
        60_000,
        61_000,
    ]
    assert paid_ms(1, 3_600_000, 0) == 3_600_000
    assert paid_ms(7, 0, 0) == 7
