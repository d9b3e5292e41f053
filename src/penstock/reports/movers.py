"""What cost more or less than before, and why: the quantity, the prices, or another mix of pools.

For each account of a row, C = sum of q x p over pools, Q = sum of q; before 0, now 1:

    quantity = (Q1 - Q0) x C0 / Q0            more or less of the same
    price    = sum of q1 x (p1 - p0)          the same pools at other prices
    mix      = C1 - C0 - quantity - price     the rest: dearer or cheaper pools than before

So dC = dQ x P0 + Q1 x dP, with the second part split into price and mix. Effects are whole micro-units and sum up to the
change. What has no quantity, as a fixed charge, or had none in one of the periods, came or went as a whole: `quantity`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from penstock.model.ledger import Tally
from penstock.reports.costs import KEYS, Key

CAUSES = ("quantity", "price", "mix")


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """One row in both periods, in micro-units."""

    key: Key
    before_micros: int
    now_micros: int
    quantity_micros: int = 0
    price_micros: int = 0
    mix_micros: int = 0

    @property
    def change_micros(self) -> int:
        """How much more it is than before."""
        return self.now_micros - self.before_micros

    @property
    def cause(self) -> str:
        """What explains most of it: "new", "gone", or one of CAUSES."""
        if not self.before_micros or not self.now_micros:
            return "new" if self.now_micros else "gone"
        sign = 1 if self.change_micros > 0 else -1
        effects = (self.quantity_micros, self.price_micros, self.mix_micros)
        return CAUSES[max(range(len(CAUSES)), key=lambda n: sign * effects[n])]


class Used(msgspec.Struct):
    """What was used in one pool for one account, and what it cost."""

    quantity: int = 0
    amount_micros: int = 0


Pools = dict[str, Used]
NOTHING = Used()


def movers(before: Iterable[Tally], now: Iterable[Tally], by: Sequence[str]) -> list[Mover]:
    """All rows that changed, the largest change first. `by`: of reports.costs.KEYS."""
    old, new = _used(before, by), _used(now, by)
    found = [_change(key, old.get(key, {}), new.get(key, {})) for key in sorted(old.keys() | new.keys())]
    return sorted((one for one in found if one.change_micros), key=lambda one: -abs(one.change_micros))


def _used(tallies: Iterable[Tally], by: Sequence[str]) -> dict[Key, dict[str, Pools]]:
    """By row, then by account, then by pool."""
    asked = [KEYS[name] for name in by]
    found: dict[Key, dict[str, Pools]] = defaultdict(lambda: defaultdict(lambda: defaultdict(Used)))
    for tally in tallies:
        used = found[tuple(ask(tally) for ask in asked)][tally.account][tally.pool]
        used.quantity += tally.quantity
        used.amount_micros += tally.amount_micros
    return found


def _change(key: Key, old: Mapping[str, Pools], new: Mapping[str, Pools]) -> Mover:
    sums = [0, 0, 0, 0, 0]
    for account in old.keys() | new.keys():
        effects = _effects(old.get(account, {}), new.get(account, {}))
        sums = [a + b for a, b in zip(sums, effects, strict=True)]
    before, now, quantity, price, mix = sums
    return Mover(
        key=key,
        before_micros=before,
        now_micros=now,
        quantity_micros=quantity,
        price_micros=price,
        mix_micros=mix,
    )


def _effects(old: Pools, new: Pools) -> tuple[int, int, int, int, int]:
    """Before, now, and the effects of quantity, price and mix, of one account."""
    before, now = (sum(used.amount_micros for used in pools.values()) for pools in (old, new))
    had, has = (sum(used.quantity for used in pools.values()) for pools in (old, new))
    if not had or not has:
        return before, now, now - before, 0, 0
    quantity = _scaled(before, has, had) - before
    price = sum(_dearer(old.get(pool, NOTHING), used) for pool, used in new.items())
    return before, now, quantity, price, now - before - quantity - price


def _dearer(old: Used, new: Used) -> int:
    """How much more this use costs than at the price of before; a pool that was not used has no such price."""
    return new.amount_micros - _scaled(old.amount_micros, new.quantity, old.quantity) if old.quantity else 0


def _scaled(amount_micros: int, numerator: int, denominator: int) -> int:
    """Rounded half up."""
    return (2 * amount_micros * numerator + denominator) // (2 * denominator)
