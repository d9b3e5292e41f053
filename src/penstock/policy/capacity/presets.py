"""Rules that other farms use, to compare with: one function, and a row of numbers for each (preset_numbers.py).

Jobs start in order of their deadlines, on owned machines first; what waits is counted at ticks and ordered for; what is
idle for long is stopped. Nothing is learnt and nothing is packed. A farm where nothing happens and nothing is due is not looked at.
"""

from penstock.policy.capacity import preset_orders, preset_starts, preset_stops
from penstock.policy.capacity.columns import (
    COMING,
    DELETING,
    ISLAND_LOOKED_MS,
    ISLAND_OF_OWN,
    ISLAND_PENDING,
    ISLAND_WAKE_MS,
    NEVER_MS,
    POOL_ISLAND,
    POOL_PAUSED_MS,
    RULE_POOLS,
    Farm,
)
from penstock.policy.capacity.lists import count
from penstock.policy.capacity.preset_numbers import CANCEL, LOOK_MS, PERIOD_MS, PRESETS, QUICK_MS, WHY_NEXT
from penstock.policy.capacity.preset_orders import OWN_COUNTS_MS
from penstock.policy.capacity.preset_rest import idle_stop_ms, tick_ms
from penstock.policy.capacity.preset_stops import OWN_GONE_MS, OWN_STOP_MS

__all__ = ["PRESETS", "idle_stop_ms", "look"]

OWN_LOOK_MS = ISLAND_OF_OWN
"""When it is considered next to order machines."""


def look(farm: Farm, island: int, now_ms: int) -> None:
    """Decide for one island as the preset would; writes acts and ISLAND_WAKE_MS."""
    if farm.islands[ISLAND_LOOKED_MS][island] < 0:
        farm.islands[OWN_LOOK_MS][island] = farm.islands[OWN_STOP_MS][island] = NEVER_MS
    preset_starts.start(farm, island, now_ms, WHY_NEXT)
    preset_stops.sweep(farm, island, now_ms)
    if farm.rules[CANCEL]:
        preset_orders.cancel(farm, island, now_ms)
    if farm.rules[PERIOD_MS] > 0:
        preset_stops.turn(farm, island, now_ms)
    _order(farm, island, now_ms)
    preset_stops.stop(farm, island, now_ms)
    farm.islands[ISLAND_LOOKED_MS][island] = now_ms
    _sleep(farm, island)


def _order(farm: Farm, island: int, now_ms: int) -> None:
    """Order machines when it is time to, and fix when it is next."""
    islands = farm.islands
    step_ms = _step_ms(farm, island)
    if step_ms == 0:
        preset_orders.order(farm, island, now_ms)
        islands[OWN_LOOK_MS][island] = _event_ms(farm, island, now_ms)
        return
    if islands[OWN_LOOK_MS][island] == NEVER_MS and _wants(farm, island, now_ms):
        islands[OWN_LOOK_MS][island] = tick_ms(now_ms, step_ms)
    if now_ms < islands[OWN_LOOK_MS][island]:
        return
    preset_orders.order(farm, island, now_ms)
    again = _wants(farm, island, now_ms)
    islands[OWN_LOOK_MS][island] = tick_ms(now_ms + 1, _step_ms(farm, island)) if again else NEVER_MS


def _step_ms(farm: Farm, island: int) -> int:
    """How often it is looked: quickly while machines come and go."""
    if farm.rules[QUICK_MS] > 0:
        for pool in range(farm.rules[RULE_POOLS]):
            moving = count(farm, pool, COMING) + count(farm, pool, DELETING)
            if farm.pools[POOL_ISLAND][pool] == island and moving > 0:
                return farm.rules[QUICK_MS]
    return farm.rules[LOOK_MS]


def _wants(farm: Farm, island: int, now_ms: int) -> bool:
    """Whether something is missing that a look could order: jobs wait, or spare machines can be had."""
    if farm.islands[ISLAND_PENDING][island] > 0:
        return True
    for pool in range(farm.rules[RULE_POOLS]):
        if farm.pools[POOL_ISLAND][pool] != island:
            continue
        if preset_orders.is_short(farm, pool, now_ms) or preset_orders.missing_spare(farm, pool, now_ms) > 0:
            return True
    return False


def _event_ms(farm: Farm, island: int, now_ms: int) -> int:
    """When a farm that is looked at whenever anything happens must be looked at though nothing does."""
    next_ms = farm.islands[OWN_COUNTS_MS][island]
    for pool in range(farm.rules[RULE_POOLS]):
        paused_ms = farm.pools[POOL_PAUSED_MS][pool]
        if farm.pools[POOL_ISLAND][pool] == island and now_ms < paused_ms:
            next_ms = min(next_ms, paused_ms)
    return next_ms


def _sleep(farm: Farm, island: int) -> None:
    wake_ms = min(farm.islands[OWN_LOOK_MS][island], farm.islands[OWN_STOP_MS][island])
    wake_ms = min(wake_ms, farm.islands[OWN_GONE_MS][island])
    if farm.rules[PERIOD_MS] > 0:
        wake_ms = min(wake_ms, preset_stops.turn_ms(farm, island))
    farm.islands[ISLAND_WAKE_MS][island] = wake_ms
