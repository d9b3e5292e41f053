"""Rules that other farms use, to compare with."""

from penstock.policy.capacity.columns import NEVER_MS, Farm


def idle_stop_ms(farm: Farm, machine: int, now_ms: int) -> int:
    """When a machine that became idle is to be stopped."""
    return NEVER_MS


def look(farm: Farm, island: int, now_ms: int) -> None:
    """Decide as the preset would."""
