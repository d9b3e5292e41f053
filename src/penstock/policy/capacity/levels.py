"""How long an idle machine is kept, learnt for each level of need.

The *level* is how many rented machines of an island are needed: busy, or ordered and not yet up. The tenth machine is
seldom needed again soon, the first one nearly always: so each band of levels learns a timeout of its own. Every time the
need rises to a level again after a gap, each timeout that could have been chosen is charged what it would have cost,
as a share of waking a machine once; the cheapest so far is used. Forgetting makes old gaps count less.
"""

from penstock.policy.capacity import presets
from penstock.policy.capacity.columns import (
    BANDS,
    GONE_CHOICES,
    ISLAND_NEED,
    ISLAND_TIMER_MS,
    MACHINE_BOOTED_MS,
    MACHINE_GONE_MS,
    MACHINE_POOL,
    MACHINE_STOP_MS,
    NEVER_MS,
    POOL_DELETE_MS,
    POOL_GONE_MS,
    POOL_GRANULARITY_MS,
    POOL_ISLAND,
    POOL_MINIMUM_MS,
    POOL_RESUME_MS,
    POOL_STOP_MS,
    POOL_STOPPED_PRICE,
    POOL_SUSPEND_MS,
    RULE_PRESET,
    RULE_WAIT_PRICE,
    STOP_CHOICES,
    WEIGHT_GONE,
    WEIGHT_MARKED,
    WEIGHT_RESCUED,
    WEIGHT_STOP,
    Farm,
    Weights,
)

STOP_SHARES = (0.0, 0.0625, 0.125, 0.25)
"""Timeouts to choose from, as shares of the break-even time: for suspending (or deleting where a pool cannot suspend)..."""
GONE_SHARES = (0.125, 0.25, 0.5, 1.0, 2.0, 3.0)
"""... and for deleting what is suspended."""
STOP_AT_ONCE = 0
STOP_AT_AN_EIGHTH = 2
GONE_AT_BREAK_EVEN = 3
"""What is chosen before anything was learnt; stopping at an eighth where waiting has a price."""
DOUBT = 0.3
"""What the other choices have against them at the start."""
KEEP = 0.98
"""How much of what was learnt outlasts one gap."""
KEEP_MARKS = 0.995


def suspends(farm: Farm, pool: int) -> bool:
    """Whether idle machines of the pool are suspended, not deleted."""
    return farm.pools[POOL_STOPPED_PRICE][pool] >= 0 and farm.pools[POOL_RESUME_MS][pool] >= 0


def rise(farm: Farm, pool: int, now_ms: int) -> None:
    """One more rented machine is needed: learn from how long the need was below this level."""
    island = farm.pools[POOL_ISLAND][pool]
    level = farm.islands[ISLAND_NEED][island] + 1
    farm.islands[ISLAND_NEED][island] = level
    fell_ms = farm.levels[island][level]
    if fell_ms >= 0:
        _learn_stop(farm, pool, level, now_ms - fell_ms)
        _learn_gone(farm, pool, level, now_ms - fell_ms)


def fall(farm: Farm, pool: int, now_ms: int) -> None:
    """One rented machine less is needed."""
    island = farm.pools[POOL_ISLAND][pool]
    level = farm.islands[ISLAND_NEED][island]
    farm.levels[island][level] = now_ms
    farm.islands[ISLAND_NEED][island] = level - 1


def idle(farm: Farm, machine: int, now_ms: int) -> None:
    """A rented machine became idle, after `fall`: fix when it is to be stopped, and deleted after that."""
    machines = farm.machines
    pool = machines[MACHINE_POOL][machine]
    island = farm.pools[POOL_ISLAND][pool]
    if farm.rules[RULE_PRESET] != 0:
        machines[MACHINE_STOP_MS][machine] = presets.idle_stop_ms(farm, machine, now_ms)
        return
    level = farm.islands[ISLAND_NEED][island] + 1
    stop_ms = later(now_ms, _stop_after_ms(farm, pool, level))
    stop_ms = _paid_ms(farm, machine, stop_ms)
    machines[MACHINE_STOP_MS][machine] = stop_ms
    machines[MACHINE_GONE_MS][machine] = later(stop_ms, _gone_after_ms(farm, pool, level))
    farm.islands[ISLAND_TIMER_MS][island] = min(farm.islands[ISLAND_TIMER_MS][island], stop_ms)


def gone_ms(farm: Farm, machine: int, now_ms: int) -> int:
    """When a machine that was suspended just now is to be deleted: as was fixed when it became idle."""
    pool = farm.machines[MACHINE_POOL][machine]
    moment_ms = farm.machines[MACHINE_GONE_MS][machine]
    if farm.rules[RULE_PRESET] != 0:
        moment_ms = later(now_ms, farm.pools[POOL_GONE_MS][pool])
    island = farm.pools[POOL_ISLAND][pool]
    farm.islands[ISLAND_TIMER_MS][island] = min(farm.islands[ISLAND_TIMER_MS][island], moment_ms)
    return moment_ms


def marked(farm: Farm, island: int, owned: int) -> None:
    """A job that was once left over has started; `owned`: 1 on an owned machine, which saved renting one."""
    weights = farm.weights[island]
    weights[WEIGHT_RESCUED] = weights[WEIGHT_RESCUED] * KEEP_MARKS + owned
    weights[WEIGHT_MARKED] = weights[WEIGHT_MARKED] * KEEP_MARKS + 1.0


def later(now_ms: int, span_ms: int) -> int:
    """The moment after a span that may be NEVER_MS."""
    return NEVER_MS if span_ms >= NEVER_MS - now_ms else now_ms + span_ms


def band(level: int) -> int:
    """Twice the logarithm of the level to base 2, rounded down: levels of one band learn together."""
    square, found = level * level, 0
    while square > 1 and found < BANDS - 1:
        square //= 2
        found += 1
    return found


def _stop_after_ms(farm: Farm, pool: int, level: int) -> int:
    """The timeout to use at this level, from when a machine becomes idle."""
    whole = farm.pools[POOL_STOP_MS][pool]
    if whole >= NEVER_MS:
        return NEVER_MS
    base = WEIGHT_STOP + band(level) * STOP_CHOICES
    weights = farm.weights[farm.pools[POOL_ISLAND][pool]]
    return int(whole * STOP_SHARES[_cheapest(weights, base, STOP_CHOICES, _first_stop(farm))])


def _gone_after_ms(farm: Farm, pool: int, level: int) -> int:
    """How long a machine that became idle at this level stays suspended."""
    whole = farm.pools[POOL_GONE_MS][pool]
    if whole >= NEVER_MS:
        return NEVER_MS
    base = WEIGHT_GONE + band(level) * GONE_CHOICES
    weights = farm.weights[farm.pools[POOL_ISLAND][pool]]
    return int(whole * GONE_SHARES[_cheapest(weights, base, GONE_CHOICES, GONE_AT_BREAK_EVEN)])


def _learn_stop(farm: Farm, pool: int, level: int, gap_ms: int) -> None:
    whole = farm.pools[POOL_STOP_MS][pool]
    if whole <= 0 or whole >= NEVER_MS:
        return
    weights = farm.weights[farm.pools[POOL_ISLAND][pool]]
    base = WEIGHT_STOP + band(level) * STOP_CHOICES
    _doubt(weights, base, STOP_CHOICES, _first_stop(farm))
    share = gap_ms / whole
    for choice in range(STOP_CHOICES):
        limit = STOP_SHARES[choice]
        cost = share if share <= limit else limit + 1.0
        weights[base + choice] = weights[base + choice] * KEEP + cost


def _learn_gone(farm: Farm, pool: int, level: int, gap_ms: int) -> None:
    whole = farm.pools[POOL_GONE_MS][pool]
    if whole <= 0 or whole >= NEVER_MS:
        return
    weights = farm.weights[farm.pools[POOL_ISLAND][pool]]
    base = WEIGHT_GONE + band(level) * GONE_CHOICES
    _doubt(weights, base, GONE_CHOICES, GONE_AT_BREAK_EVEN)
    share = gap_ms / whole
    for choice in range(GONE_CHOICES):
        limit = GONE_SHARES[choice]
        cost = share if share <= limit else limit + 1.0
        weights[base + choice] = weights[base + choice] * KEEP + cost


def _first_stop(farm: Farm) -> int:
    return STOP_AT_ONCE if farm.rules[RULE_WAIT_PRICE] == 0 else STOP_AT_AN_EIGHTH


def _doubt(weights: Weights, base: int, choices: int, first: int) -> None:
    """A band that learns for the first time favours the first answer. Its weights are all zero only then."""
    for choice in range(choices):
        if weights[base + choice] != 0.0:
            return
    for choice in range(choices):
        weights[base + choice] = 0.0 if choice == first else DOUBT


def _cheapest(weights: Weights, base: int, choices: int, first: int) -> int:
    """The choice with the least learnt cost; `first` where others are as good."""
    best = first
    for choice in range(choices):
        if weights[base + choice] < weights[base + best]:
            best = choice
    return best


def _paid_ms(farm: Farm, machine: int, stop_ms: int) -> int:
    """Not before what is paid anyway has been used: the minimum of a start, or the whole hour where a provider
    bills by the hour. Granularity of a second or less does not matter."""
    pool = farm.machines[MACHINE_POOL][machine]
    if stop_ms >= NEVER_MS:
        return stop_ms
    from_ms = farm.machines[MACHINE_BOOTED_MS][machine]
    after_ms = farm.pools[POOL_SUSPEND_MS][pool] if suspends(farm, pool) else farm.pools[POOL_DELETE_MS][pool]
    step_ms = farm.pools[POOL_GRANULARITY_MS][pool]
    paid_ms = max(stop_ms + after_ms - from_ms, farm.pools[POOL_MINIMUM_MS][pool])
    if step_ms > 1000:
        paid_ms = (paid_ms + step_ms - 1) // step_ms * step_ms
    return from_ms + paid_ms - after_ms
