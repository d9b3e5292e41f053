"""What an hour of downtime must cost for more uptime to pay: Linaro's question of 95 % against 99 % for 50,000.

A year is 8766 hours. Percentages and money are exact decimals; figures are fractions until they are printed.
"""

from decimal import Decimal
from fractions import Fraction

import msgspec

YEAR_HOURS = 8766
FORMULA = "price / (hours saved a year * years)"


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """Hours down in a year before and after, and above which price of one such hour the change pays."""

    down_before: Fraction
    down_after: Fraction
    pays_above: Fraction

    @property
    def saved(self) -> Fraction:
        """Hours a year."""
        return self.down_before - self.down_after


def uptime(before: Decimal, after: Decimal, price: Decimal, years: Decimal = Decimal(1)) -> Uptime:
    """From `before` to `after` percent for `price`, which is to come back within `years`.

    Raises ValueError unless 0 <= before < after <= 100, and the price and the years are positive."""
    if not 0 <= before < after <= 100:
        raise ValueError(f"from {before} to {after} percent is no rise within 0 to 100")
    if price <= 0 or years <= 0:
        raise ValueError("a price and years are more than 0")
    down, less = (_down(percent) for percent in (before, after))
    return Uptime(
        down_before=down, down_after=less, pays_above=Fraction(price) / ((down - less) * Fraction(years))
    )


def _down(percent: Decimal) -> Fraction:
    return (100 - Fraction(percent)) / 100 * YEAR_HOURS
