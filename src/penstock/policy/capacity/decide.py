"""What a farm does now: which jobs start where, what is rented, resumed, suspended and given back."""

from penstock.policy.capacity import presets
from penstock.policy.capacity.columns import RULE_PRESET, Farm


def decide(farm: Farm, island: int, now_ms: int) -> None:
    """Decide for one island; writes acts, and ISLAND_WAKE_MS: when to ask again though nothing happens."""
    if farm.rules[RULE_PRESET] != 0:
        presets.look(farm, island, now_ms)
