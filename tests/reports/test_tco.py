"""What owned machines cost: the worked example of the documentation, and what must hold for any."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.rules import Pool, Tco
from penstock.reports import tco as reckoned

EXAMPLE = Tco(
    purchase_micros=12_000_000_000,
    residual_ppm=50_000,
    watts=450,
    pue_ppm=1_500_000,
    kwh_price_micros=150_000,
    colo_per_month_micros=108_000_000,
    staff_minutes_per_month=120,
    staff_per_hour_micros=75_000_000,
    spares_ppm=30_000,
    network_per_month_micros=30_000_000,
)
SLOTS = 16
CLOUD = Fraction(192_000)


def test_the_parts_of_the_example() -> None:
    parts = {name: round(float(part) / 1e6) for name, part in reckoned.parts(EXAMPLE).items()}
    assert parts == {"depreciation": 2280, "power": 887, "colocation": 1296, "staff": 1800, "spares": 360, "network": 360}  # fmt: skip
    assert round(reckoned.annual(EXAMPLE) / 10**6) == 6983
    assert reckoned.annual(EXAMPLE) == 6_982_950_000
    assert reckoned.hourly_micros(EXAMPLE) == 797_140


def test_a_slot_hour_of_the_example_by_use() -> None:
    uses = {10: Fraction(1, 10), 50: Fraction(1, 2)}
    found = reckoned.chart(reckoned.annual(EXAMPLE), SLOTS, uses)
    assert {use: round(float(price) / 1e6, 3) for use, price in found.items()} == {10: 0.498, 50: 0.100}


def test_the_break_even_of_the_example() -> None:
    use = reckoned.break_even(reckoned.annual(EXAMPLE), SLOTS, CLOUD)
    assert use is not None
    assert round(float(use) * 100, 1) == 25.9


def test_nothing_breaks_even_with_what_is_free() -> None:
    assert reckoned.break_even(Fraction(1), SLOTS, Fraction(0)) is None


def test_slots_of_machines_of_different_speed_are_compared_by_what_they_do() -> None:
    pool = Pool(name="p", provider="ec2", platforms=("x",), slots=4, speed=0.5, price_per_hour_micros=500_000)
    assert reckoned.slot_hour(pool) == 250_000


def test_half_a_micro_unit_is_rounded_up() -> None:
    assert [reckoned.rounded(Fraction(n, 4)) for n in (1, 2, 3, 5, 6)] == [0, 1, 1, 1, 2]


@given(st.integers(1, 10**15), st.integers(1, 64), st.integers(1, 10**9), st.fractions(Fraction(1, 1000), 1))
def test_at_break_even_both_cost_the_same(year: int, slots: int, other: int, more: Fraction) -> None:
    use = reckoned.break_even(Fraction(year), slots, Fraction(other))
    assert use is not None
    assert reckoned.per_slot_hour(Fraction(year), slots, use) == other
    assert reckoned.per_slot_hour(Fraction(year), slots, use + more) < other
