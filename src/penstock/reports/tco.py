"""What an owned machine costs, all included, and from which use on it is cheaper than a rented one.

Source: straight-line depreciation, see docs/explanation/owned-hardware.md. Money in micro-units; a year has 8760 hours.
"""

from collections.abc import Mapping
from fractions import Fraction

from penstock.model.rules import Pool, Tco

HOURS_A_YEAR = 8760
MONTHS_A_YEAR = 12
PPM = 1_000_000


def parts(tco: Tco) -> dict[str, Fraction]:
    """What one machine costs in a year, micro-units by what it is for, exact."""
    spent_ppm = PPM - tco.residual_ppm
    kwh_a_year = Fraction(tco.watts * HOURS_A_YEAR * tco.pue_ppm, 1000 * PPM)
    return {
        "depreciation": Fraction(tco.purchase_micros * spent_ppm, PPM * tco.life_years),
        "power": kwh_a_year * tco.kwh_price_micros,
        "colocation": Fraction(MONTHS_A_YEAR * tco.colo_per_month_micros),
        "staff": Fraction(MONTHS_A_YEAR * tco.staff_minutes_per_month * tco.staff_per_hour_micros, 60),
        "spares": Fraction(tco.purchase_micros * tco.spares_ppm, PPM),
        "network": Fraction(MONTHS_A_YEAR * tco.network_per_month_micros),
    }


def annual(tco: Tco) -> Fraction:
    """What one machine costs in a year, micro-units."""
    return sum(parts(tco).values(), Fraction())


def hourly_micros(tco: Tco) -> int:
    """What one machine costs an hour, used or not; rounded half up to the micro-unit."""
    return rounded(annual(tco) / HOURS_A_YEAR)


def rounded(exact: Fraction) -> int:
    """To the nearest micro-unit, half up."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def per_slot_hour(annual_micros: Fraction, slots: int, use: Fraction) -> Fraction:
    """What an hour of a slot that is held costs, when slots are held the share `use` of the year, above 0."""
    return annual_micros / (slots * HOURS_A_YEAR * use)


def break_even(annual_micros: Fraction, slots: int, other_slot_hour: Fraction) -> Fraction | None:
    """The share of the year that the slots must be held to cost what `other_slot_hour` says, both in micro-units.

    Above 1: never cheaper, however much they are held. None: the other costs nothing, so there is no such share.
    """
    return annual_micros / (slots * HOURS_A_YEAR * other_slot_hour) if other_slot_hour else None


def slot_hour(pool: Pool) -> Fraction:
    """What an hour of a slot costs by the price of the pool, in micro-units, as if its machines had speed 1."""
    return Fraction(pool.price_per_hour_micros, pool.slots) / Fraction(str(pool.speed))


def chart(annual_micros: Fraction, slots: int, uses: Mapping[int, Fraction]) -> dict[int, Fraction]:
    """What a slot-hour costs at each use that is named, by its name."""
    return {name: per_slot_hour(annual_micros, slots, use) for name, use in uses.items()}
