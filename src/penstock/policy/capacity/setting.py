"""A farm's columns from its rules and from what jobs ask for. Plain Python, run once before the first decision.

Which pools suit which asks, what is an island, prices and times. Nothing here depends on when jobs come, or on jobs that come later: islands are drawn
from the pools alone, so that two histories that begin alike are decided alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from penstock.model.rules import Pool, Quantiles, Rules
from penstock.policy.capacity import columns as c

STRICT_CLASSES = ("release", "interactive")
LATENESS_RESERVE_PPM = 5_000
CHAIN_LEAD_MS, LATE_CAP, PACK_MOST, SEQUENCE_MOST, LOOK_MOST = 120_000, 8, 1000, 12, 64
"""Constants of policy.md 5.1 and 5.5."""
OWNED = ("owned", "local")


class Ask(NamedTuple):
    """What jobs ask for that is alike to all pools. `cores`, `memory_mb`: 0 = not known, fits anywhere."""

    platform: str
    klass: str
    project: str
    cores: int = 0
    memory_mb: int = 0


class Choice(NamedTuple):
    """Which rule decides: an index into presets.PRESETS, and its numbers in the order of preset_numbers.NUMBERS."""

    preset: int = 0
    numbers: tuple[int, ...] = ()


class Setting(NamedTuple):
    """What suits what. `suits[ask][pool]`; islands by number; `names`: the island of each name."""

    rules: Rules
    choice: Choice
    asks: tuple[Ask, ...]
    suits: tuple[tuple[bool, ...], ...]
    pool_islands: tuple[int, ...]
    ask_islands: tuple[int, ...]


def setting(rules: Rules, choice: Choice, asks: Sequence[Ask]) -> Setting:
    """Asks that no pool suits have the island -1; jobs that ask so never run here. Owned machines are always on here."""
    rules = unswitched(rules)
    suits = tuple(tuple(suited(pool, ask) for pool in rules.pools) for ask in asks)
    drawn = islands(rules.pools)
    of_asks = tuple(drawn[row.index(True)] if True in row else -1 for row in suits)
    return Setting(rules, choice, tuple(asks), suits, drawn, of_asks)


def merged(done: Setting) -> tuple[Setting, tuple[int, ...]]:
    """The same with those asks as one that no rule can tell apart, and for each ask its new row.

    Every look goes through all asks of an island: a history of one platform may have a thousand by sizes and projects that
    no pool looks at.
    """
    rows: dict[tuple[object, ...], int] = {}
    kept: list[int] = []
    of_asks = []
    for row, ask in enumerate(done.asks):
        key = (done.suits[row], ask.klass in STRICT_CLASSES, *_size_seen(done, row))
        if key not in rows:
            rows[key] = len(kept)
            kept.append(row)
        of_asks.append(rows[key])
    chosen = done._replace(
        asks=tuple(done.asks[row] for row in kept),
        suits=tuple(done.suits[row] for row in kept),
        ask_islands=tuple(done.ask_islands[row] for row in kept),
    )
    return chosen, tuple(of_asks)


def _size_seen(done: Setting, row: int) -> tuple[int, int]:
    """Cores and memory, where any pool of the island has a size."""
    pools = zip(done.rules.pools, done.pool_islands, strict=True)
    if any(pool.size is not None for pool, island in pools if island == done.ask_islands[row]):
        return done.asks[row].cores, done.asks[row].memory_mb
    return 0, 0


def suited(pool: Pool, ask: Ask) -> bool:
    """Whether a machine of the pool that runs nothing else may run such a job."""
    return why_not(pool, ask) == ""


def why_not(pool: Pool, ask: Ask) -> str:
    """What of the pool keeps such a job away; "" when nothing does."""
    if ask.platform not in pool.platforms:
        return "platform"
    if pool.classes and ask.klass not in pool.classes:
        return "class"
    if pool.projects and ask.project not in pool.projects:
        return "project"
    if pool.size is None:
        return ""
    if ask.cores > pool.size.cores:
        return "cores"
    return "memory" if pool.size.memory_mb is not None and ask.memory_mb > pool.size.memory_mb else ""


def why_none(pools: Sequence[Pool], ask: Ask) -> str:
    """Why no pool suits such a job: what the pool says that came nearest."""
    order = ("platform", "class", "project", "cores", "memory")
    found = [why_not(pool, ask) for pool in pools] or ["platform"]
    return f"no pool has its {max(found, key=order.index)}"


def islands(pools: Sequence[Pool]) -> tuple[int, ...]:
    """A number for each pool, the same for pools that one job could choose between; from 0 in the order of pools."""
    over = list(range(len(pools)))
    for right, pool in enumerate(pools):
        for left in range(right):
            if _meet(pools[left], pool):
                low, high = sorted((_root(over, left), _root(over, right)))
                over[high] = low
    roots = [_root(over, row) for row in range(len(pools))]
    numbers = {root: number for number, root in enumerate(sorted(set(roots)))}
    return tuple(numbers[root] for root in roots)


def _meet(one: Pool, other: Pool) -> bool:
    """Whether there can be a job that suits both, sizes aside."""
    return (
        one.agent == other.agent
        and not set(one.platforms).isdisjoint(other.platforms)
        and (not one.classes or not other.classes or not set(one.classes).isdisjoint(other.classes))
        and (not one.projects or not other.projects or not set(one.projects).isdisjoint(other.projects))
    )


def _root(over: list[int], row: int) -> int:
    while over[row] != row:
        row = over[row]
    return row


def shape(done: Setting, jobs: int, machines: int, names: int) -> c.Shape:
    """Rows of each table; at least one where a table would be empty."""
    pools = done.rules.pools
    return c.Shape(
        jobs=max(1, jobs),
        asks=max(1, len(done.asks)),
        pools=max(1, len(pools)),
        islands=max(1, len(set(done.pool_islands))),
        machines=max(1, machines),
        width=max([1, *(pool.slots for pool in pools)]),
        names=max(1, names),
    )


def fill(farm: c.Farm, done: Setting) -> None:
    """Write rules, asks and pools into empty columns of `shape`."""
    _rules(farm.rules, done)
    for row, ask in enumerate(done.asks):
        farm.asks[c.ASK_ISLAND][row] = done.ask_islands[row]
        farm.asks[c.ASK_CORES][row] = ask.cores
        farm.asks[c.ASK_MEMORY_MB][row] = ask.memory_mb
        farm.asks[c.ASK_STRICT][row] = ask.klass in STRICT_CLASSES
        for column, suits in enumerate(done.suits[row]):
            farm.suits[row][column] = suits
    for row in range(len(done.rules.pools)):
        _pool(farm, row, done)


def _rules(rules: c.Column, done: Setting) -> None:
    waiting = done.rules.waiting
    rules[c.RULE_PRESET] = done.choice.preset
    rules[c.RULE_WAIT_PRICE] = waiting.price_per_hour_micros
    rules[c.RULE_PROMISE_MS] = waiting.target_ms
    rules[c.RULE_PROMISE_PPM] = round(waiting.target_percentile * 10_000)
    rules[c.RULE_SPEND] = waiting.lateness == "spend"
    rules[c.RULE_CHAIN_LEAD_MS] = CHAIN_LEAD_MS
    rules[c.RULE_LATE_CAP] = LATE_CAP
    rules[c.RULE_PACK_MOST] = PACK_MOST
    rules[c.RULE_SEQUENCE_MOST] = SEQUENCE_MOST
    rules[c.RULE_LOOK_MOST] = LOOK_MOST
    for at, number in enumerate(done.choice.numbers):
        rules[c.RULE_OF_PRESET + at] = number


def _pool(farm: c.Farm, row: int, done: Setting) -> None:
    """One pool's columns."""
    pool, pools = done.rules.pools[row], farm.pools
    own = is_owned(pool) and not is_switched(pool)
    pools[c.POOL_ISLAND][row] = done.pool_islands[row]
    pools[c.POOL_SLOTS][row] = pool.slots
    pools[c.POOL_OWNED][row] = own
    pools[c.POOL_CORES][row] = pool.size.cores if pool.size else 0
    pools[c.POOL_MEMORY_MB][row] = (pool.size.memory_mb or 0) if pool.size else 0
    pools[c.POOL_PRICE][row] = 0 if own else running_price(pool)
    pools[c.POOL_BOOT_MS][row] = -1 if own else planned_ms(boot_of(pool))
    # Disks of what is owned are not new, and are cleaned, not replaced.
    pools[c.POOL_COLD_MS][row] = 0 if is_owned(pool) else pool.cold_cache_ms
    pools[c.POOL_USES][row] = 0 if is_owned(pool) else pool.uses
    pools[c.POOL_SUSPEND_MS][row] = pool.suspend_ms
    pools[c.POOL_DELETE_MS][row] = pool.delete_ms
    pools[c.POOL_GRANULARITY_MS][row] = pool.billing.granularity_ms
    pools[c.POOL_MINIMUM_MS][row] = pool.billing.minimum_ms
    pools[c.POOL_LEAST][row] = machines_of(pool) if own else 0 if is_switched(pool) else pool.min
    pools[c.POOL_MOST][row] = machines_of(pool) if own else _most(pool)
    pools[c.POOL_RECLAIM_PPM][row] = round(pool.reclaim_per_hour * 1_000_000)
    pools[c.POOL_SPEED_PPM][row] = round(pool.speed * 1_000_000)
    pools[c.POOL_STOPPED_PRICE][row] = stopped_price(pool) if can_suspend(pool) else -1
    pools[c.POOL_RESUME_MS][row] = planned_ms(pool.resume) if can_suspend(pool) and pool.resume else -1
    even = break_even_ms(pool, done.rules.waiting.price_per_hour_micros)
    pools[c.POOL_STOP_MS][row], pools[c.POOL_GONE_MS][row] = even


def is_owned(pool: Pool) -> bool:
    """Whether its machines are there all the time and cost the same used or not, but for what a switch saves."""
    return pool.provider in OWNED


def is_switched(pool: Pool) -> bool:
    """Whether its machines are owned and can be switched off: none is ever made or given back, they wake and sleep."""
    return is_owned(pool) and bool(pool.controls)


def unswitched(rules: Rules) -> Rules:
    """The farm with all that is owned always on, as trials of it on a history have it."""
    if not any(map(is_switched, rules.pools)):
        return rules
    pools = tuple(msgspec.structs.replace(pool, controls=()) for pool in rules.pools)
    return msgspec.structs.replace(rules, pools=pools)


def running_price(pool: Pool) -> int:
    """What a machine costs that runs, beyond what it costs anyway: of what is owned the power that a switch saves."""
    if not is_switched(pool):
        return pool.price_per_hour_micros
    return max(0, pool.price_per_hour_micros - (pool.stopped_price_per_hour_micros or 0))


def stopped_price(pool: Pool) -> int:
    """As `running_price`, of one that is stopped."""
    return 0 if is_switched(pool) else pool.stopped_price_per_hour_micros or 0


def boot_of(pool: Pool) -> Quantiles:
    """How long an order takes: owned machines are there and only wake."""
    return pool.resume if is_switched(pool) and pool.resume else pool.boot


def _most(pool: Pool) -> int:
    """How many machines may be ordered: none that is owned, -1 = any number."""
    if is_switched(pool):
        return 0
    return -1 if pool.max is None else pool.max


def machines_of(pool: Pool) -> int:
    """Machines of an owned pool; the hub's own machine is one."""
    return max(1, pool.machines) if pool.provider == "local" else pool.machines


def can_suspend(pool: Pool) -> bool:
    """Without a price for a stopped machine or a time to resume it a pool is never suspended; nor is what is owned and
    has no switch."""
    may = is_switched(pool) or not is_owned(pool)
    return may and pool.stopped_price_per_hour_micros is not None and pool.resume is not None


def planned_ms(time: Quantiles) -> int:
    """How long it is reckoned to take: the 95th percentile, so that a promise does not hang on the median."""
    return time.p95_ms


def break_even_ms(pool: Pool, wait_price: int) -> tuple[int, int]:
    """T* and T2* (policy.md 5.3 D): when idling has cost as much as the wake it saves, and when being suspended has.

    `wait_price`: micro-units per hour that one job waits. All settings are valid: zero prices, a stopped price above the
    price, no resume. The second is 0 where suspending does not pay: then the first is for deleting. NEVER_MS = not for its age.
    """
    if is_switched(pool):
        return _switched_even(pool, wait_price)
    if is_owned(pool):
        return c.NEVER_MS, 0
    price, boot_ms = pool.price_per_hour_micros, planned_ms(pool.boot)
    wake = price * (boot_ms + pool.cold_cache_ms) + wait_price * boot_ms
    stopped = pool.stopped_price_per_hour_micros
    if stopped is not None and pool.resume is not None and stopped < price:
        resume = (price + wait_price) * planned_ms(pool.resume)
        gone_ms = max(0, wake - resume) // stopped if stopped else c.NEVER_MS
        if gone_ms > resume // (price - stopped):
            return resume // (price - stopped), gone_ms
    return (wake // price if price else c.NEVER_MS), 0


def _switched_even(pool: Pool, wait_price: int) -> tuple[int, int]:
    """As `break_even_ms`: off when idling has cost as much power as waking costs power and waiting; never given back."""
    saved = running_price(pool)
    if pool.resume is None or not saved:
        return c.NEVER_MS, 0
    return (saved + wait_price) * planned_ms(pool.resume) // saved, c.NEVER_MS
