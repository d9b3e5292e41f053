"""An amount divided in proportion, exactly: the parts are whole micro-units and sum up to it."""

from collections.abc import Sequence


def parts(amount_micros: int, weights: Sequence[int]) -> list[int]:
    """`amount_micros` in proportion to `weights`, of which none is negative and some are not zero.

    Largest remainder: each gets its share rounded down, what is left goes out by single micro-units to those that lost most
    by it, of equals the earlier first. A negative amount is divided as well. Source: Hamilton's method.
    """
    whole = sum(weights)
    found = [amount_micros * weight // whole for weight in weights]
    left = amount_micros - sum(found)
    lost = sorted(range(len(weights)), key=lambda at: -(amount_micros * weights[at] % whole))
    for at in lost[:left]:
        found[at] += 1
    return found
