"""Linaro's question: from 95 to 99 percent for 50,000."""

from decimal import Decimal

import pytest

from penstock.reports.forecast.figures import decimal
from penstock.reports.uptime import uptime

D = Decimal


@pytest.mark.parametrize(
    ("after", "years", "saved", "above"),
    [
        ("99", 1, "350.6", "142.6"),
        ("99", 3, "350.6", "47.5"),
        ("99.9", 1, "429.5", "116.4"),
        ("99.9", 3, "429.5", "38.8"),
    ],
)
def test_when_more_uptime_pays(after: str, years: int, saved: str, above: str) -> None:
    found = uptime(D(95), D(after), D(50000), D(years))
    assert decimal(found.down_before, 1) == D("438.3")
    assert (decimal(found.saved, 1), decimal(found.pays_above, 1)) == (D(saved), D(above))


@pytest.mark.parametrize(
    ("before", "after", "price", "years"),
    [(99, 95, 1, 1), (95, 95, 1, 1), (-1, 95, 1, 1), (95, 101, 1, 1), (95, 99, 0, 1), (95, 99, 1, 0)],
)
def test_what_is_no_question(before: int, after: int, price: int, years: int) -> None:
    with pytest.raises(ValueError):
        uptime(D(before), D(after), D(price), D(years))
