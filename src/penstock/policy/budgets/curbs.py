"""What guards in force keep from happening, and how strictly, for one job and one pool. Of several the strictest counts.

`throttled`: nothing more is rented or woken; machines that are up are used on. `cap:POOL=N`: likewise while N machines of
that pool are at work. `owned_only`: nothing starts on rented machines. `frozen`: nor on others that have a price.
`drain:POOL`: nothing starts in that pool. `class_off:CLASS`: jobs of that class start nowhere. What runs goes on.
A guard that names a grant or budget is about the pools of that; one that does not, about all.
"""

from collections.abc import Callable, Iterable, Sequence

from penstock.model.curb import Curb, Stopped
from penstock.model.ledger import Guarding
from penstock.model.rules import Guard, Pool, Rules
from penstock.model.snapshot import Ask
from penstock.policy.budgets.guarding import IN_FORCE
from penstock.policy.capacity.setting import is_owned
from penstock.policy.ordering import PRIORITIES, class_at, level_of

BARRED, FREE = -1, None
"""Nothing starts there; nothing is forbidden. Between them: as many machines as may be at work where one more is ordered."""


def curbs(rules: Rules, rows: Iterable[Guarding]) -> tuple[Curb, ...]:
    """What is forbidden now, one for each guard in force, in the order of farm.toml; () when nothing is."""
    fired = {row.name: row for row in rows if row.state in IN_FORCE}
    made = (curb(guard, rules, fired[guard.name]) for guard in rules.guards if guard.name in fired)
    return tuple(one for one in made if one.barred or one.most or one.off)


def stops(rules: Rules, rows: Iterable[Stopped]) -> tuple[Curb, ...]:
    """What is forbidden because people have stopped pools; one that is not in farm.toml any more stops nothing."""
    known = {pool.name for pool in rules.pools}
    return tuple(
        Curb(guard="", since_ms=row.since_ms, why=row.reason, barred=(row.pool,), stopped=row.pool)
        for row in rows
        if row.pool in known
    )


def curb(guard: Guard, rules: Rules, row: Guarding) -> Curb:
    """What this guard forbids when it is in force."""
    mine = [pool for pool in rules.pools if pool.name in _scope(guard, rules)]
    rented = tuple(pool.name for pool in mine if not is_owned(pool))
    barred: list[str] = []
    most: list[tuple[str, int]] = []
    off: list[str] = []
    for act in guard.then:
        kind, _, rest = act.partition(":")
        barred += _barred(kind, rest, mine)
        most += [(name, 0) for name in rented if kind == "throttled"]
        if kind == "cap":
            most += _cap(rest, rules.pools)
        if kind == "class_off":
            off.append(rest)
    return Curb(
        guard=guard.name,
        since_ms=row.fired_ms,
        why=row.reason,
        barred=tuple(dict.fromkeys(barred)),
        most=tuple(most),
        off=tuple(off),
        exempt=guard.exempt,
    )


def _scope(guard: Guard, rules: Rules) -> Sequence[str]:
    """The pools that the guard is about."""
    named = {grant.name: grant.pools for grant in rules.grants}
    named |= {budget.name: budget.pools for budget in rules.budgets}
    return named.get(guard.budget) or [pool.name for pool in rules.pools]


def _barred(kind: str, rest: str, pools: Iterable[Pool]) -> list[str]:
    if kind == "drain":
        return [rest]
    if kind == "owned_only":
        return [pool.name for pool in pools if not is_owned(pool)]
    if kind == "frozen":
        return [pool.name for pool in pools if not is_owned(pool) or _priced(pool)]
    return []


def _priced(pool: Pool) -> bool:
    """Whether machines that come by themselves have a price; the hub's own machine is none that could be saved."""
    return pool.provider == "owned" and pool.price_per_hour_micros > 0


def _cap(rest: str, pools: Iterable[Pool]) -> list[tuple[str, int]]:
    """Machines that are owned are there anyway: for them a number means nothing."""
    name, _, count = rest.partition("=")
    return [(pool.name, int(count)) for pool in pools if pool.name == name and not is_owned(pool)]


def room(found: Iterable[Curb], ask: Ask, pool: str) -> int | None:
    """How strictly such a job is kept from a pool: FREE, BARRED, or how many of its machines may be at work where one more is
    ordered for it."""
    strictest: int | None = FREE
    for one in found:
        if spares(one, ask):
            continue
        if pool in one.barred or ask.klass in one.off:
            return BARRED
        for name, count in one.most:
            if name == pool and (strictest is None or count < strictest):
                strictest = count
    return strictest


def spares(one: Curb, ask: Ask) -> bool:
    """Whether such a job is exempt: by its class, or because one of an exempt class waits for it."""
    return ask.klass in one.exempt or (served(ask) != 0 and class_at(ask.level) in one.exempt)


def served(ask: Ask) -> int:
    """The level of those whom such a job is for, where that is of a higher class than its own; else 0."""
    return ask.level if ask.level < level_of(ask.klass, PRIORITIES) else 0


def touches(one: Curb, ask: Ask, pool: str) -> bool:
    """Whether this guard keeps such a job from anything in that pool."""
    return room((one,), ask, pool) is not FREE


def shut(found: Sequence[Curb], ask: Ask, pools: Iterable[Pool], takes: Callable[[Pool], bool]) -> bool:
    """Whether guards leave none of the pools that take such a job."""
    taking = [pool for pool in pools if takes(pool)]
    return bool(taking) and all(room(found, ask, pool.name) == BARRED for pool in taking)


def keeps(found: Iterable[Curb], pool: str) -> bool:
    """Whether machines that sleep in a pool stay for now, however long they have slept."""
    return any(one.keeps and pool in one.barred for one in found)


def holds(found: Iterable[Curb], pool: str) -> bool:
    """Whether no machine of a pool is stopped or given back for now, idle or asleep: too many say nothing (policy/silence)."""
    return any(one.keeps and pool in dict(one.most) for one in found)


def standing(found: Iterable[Curb], pool: str) -> bool:
    """Whether machines may be kept standing by in a pool for jobs that are not there yet: not where a guard curbs it."""
    return not any(pool in one.barred or pool in dict(one.most) for one in found)
