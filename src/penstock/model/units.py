"""Time in integer milliseconds, money in integer micro-units, sizes of jobs and machines.

Names carry their unit last: `wait_ms`, `cost_micros`. Nothing here rounds silently.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec

MICROS_PER_UNIT = 1_000_000
MS_PER_S = 1000
MS_PER_HOUR = 3_600_000
DAY_MS = 24 * MS_PER_HOUR
NEVER_MS = 2**62
"""A moment that does not come: later than every deadline."""


class Size(msgspec.Struct, frozen=True, order=True):
    """What a job asks of a machine, or what a machine has.

    `memory_mb` is None where it is not known (Qt names core counts only) and is then never a limit.
    """

    cores: int = 1
    memory_mb: int | None = 1024

    def fits(self, free: "Size") -> bool:
        """True when a job of this size fits into what is `free`; an unknown memory always fits."""
        if self.cores > free.cores:
            return False
        return self.memory_mb is None or free.memory_mb is None or self.memory_mb <= free.memory_mb

    def less(self, used: "Size") -> "Size":
        """What is left of this size when `used` is taken; may be negative when overcommitted."""
        memory = None if self.memory_mb is None else self.memory_mb - (used.memory_mb or 0)
        return Size(self.cores - used.cores, memory)

    def more(self, added: "Size") -> "Size":
        """This size and `added` together; a memory that is not known counts as none."""
        return Size(self.cores + added.cores, (self.memory_mb or 0) + (added.memory_mb or 0))


def micros(amount: str | int | float | Decimal) -> int:
    """An amount of money in micro-units, rounded half up. A float is read by its shortest decimal form.

    Raises ValueError for what is not a finite number.
    """
    try:
        exact = Decimal(str(amount))
        if not exact.is_finite():
            raise ValueError(f"not an amount of money: {amount!r}")
        return int((exact * MICROS_PER_UNIT).to_integral_value(ROUND_HALF_UP))
    except InvalidOperation as wrong:
        raise ValueError(f"not an amount of money: {amount!r}") from wrong


def decimal_text(amount_micros: int) -> str:
    """Micro-units as a decimal string with six places: 123 -> "0.000123"."""
    sign = "-" if amount_micros < 0 else ""
    whole, part = divmod(abs(amount_micros), MICROS_PER_UNIT)
    return f"{sign}{whole}.{part:06d}"


def charge_micros(price_per_hour_micros: int, duration_ms: int) -> int:
    """Price times time, rounded half up to the micro-unit, in integers throughout."""
    return (2 * price_per_hour_micros * duration_ms + MS_PER_HOUR) // (2 * MS_PER_HOUR)


def seconds(duration_ms: int) -> float:
    """Milliseconds as seconds, for output only."""
    return duration_ms / MS_PER_S
