"""Integer time and money, sizes that fit or do not."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from penstock.model.units import Size, charge_micros, decimal_text, micros, seconds


@pytest.mark.parametrize(
    ("size", "free", "fits"),
    [
        (Size(1, 1024), Size(1, 1024), True),
        (Size(2, 1024), Size(1, 1024), False),
        (Size(1, 1025), Size(1, 1024), False),
        (Size(1, None), Size(1, 0), True),
        (Size(1, 10**9), Size(1, None), True),
    ],
)
def test_a_size_fits_in_both_dimensions_or_where_memory_is_unknown(
    size: Size, free: Size, fits: bool
) -> None:
    assert size.fits(free) is fits


def test_sizes_add_up_and_are_taken_off_again() -> None:
    taken = Size(0, 0).more(Size(2, 512)).more(Size(1, None))
    assert taken == Size(3, 512)
    assert Size(4, 1024).less(taken) == Size(1, 512)
    assert Size(4, None).less(taken) == Size(1, None)
    assert Size(4, 1024).less(Size(1, None)) == Size(3, 1024)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0.4032", 403_200), (0.1, 100_000), (2, 2_000_000), ("0.0000005", 1), ("-0.0000005", -1)],
)
def test_money_is_read_by_its_decimal_form(amount: str | float | int, expected: int) -> None:
    assert micros(amount) == expected


@pytest.mark.parametrize("amount", ["", "twelve", "NaN", float("inf")])
def test_what_is_no_money_is_refused(amount: str | float) -> None:
    with pytest.raises(ValueError, match="not an amount of money"):
        micros(amount)


@given(st.integers(-(10**15), 10**15))
def test_money_survives_being_written(amount: int) -> None:
    assert micros(decimal_text(amount)) == amount


def test_money_is_written_with_six_places() -> None:
    assert decimal_text(123) == "0.000123"
    assert decimal_text(-1_500_000) == "-1.500000"


def test_a_price_times_a_time_is_rounded_half_up() -> None:
    assert charge_micros(403_200, 3_600_000) == 403_200
    assert charge_micros(1, 1_800_000) == 1
    assert charge_micros(1, 1_799_999) == 0


def test_seconds_are_for_output() -> None:
    assert seconds(1500) == 1.5
