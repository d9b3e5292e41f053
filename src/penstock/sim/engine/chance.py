"""Chance as a hash of a seed and of what it is asked for: the same for every policy, whatever else happened before."""

MASK = 2**31 - 1
BOOTS, FAILS, STRIKES, FAULTS = 1, 2, 3, 4
"""What it is asked for."""


def draw(seed: int, number: int, purpose: int) -> int:
    """0 .. 2^31 - 1. Every product stays below 2^62."""
    value = _mixed((seed & MASK) ^ 0x2545F491)
    value = _mixed(value ^ ((seed >> 31) & MASK))
    value = _mixed(value ^ (number & MASK))
    value = _mixed(value ^ ((number >> 31) & MASK))
    return _mixed(value ^ purpose * 0x1F123BB5 & MASK)


def _mixed(value: int) -> int:
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & MASK
    value = ((value ^ (value >> 15)) * 0x3C6EF372 + 0x1B56C4E9) & MASK
    return value ^ (value >> 16)
