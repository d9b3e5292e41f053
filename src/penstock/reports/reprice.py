"""The same use at other prices: what was metered here, as another farm.toml would have priced it. History is not touched.

Machine-hours are taken over by what slots do: a machine with twice the slots is needed half as long, one of twice the
speed, too. Of owned machines that rented ones would stand in for only the time counts that slots were held: nobody rents
machines to let them idle all year. What depends on when machines started is not worked out again: boot times, billing minimums, what would have
waited. `penstock simulate` does that. Money in micro-units, exact until it is rounded for a document.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from penstock.model.rules import Charge, Pool, Rules
from penstock.model.units import MS_PER_HOUR

GB = 10**9
STORAGE_DAYS = Fraction(487, 16)
"""A month of storage prices: 365.25 / 12 days."""
OWN = ("owned", "local")


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool was used for on some days: machine-milliseconds running and suspended, slot-milliseconds held, bytes that
    left, and what it came to. `owned`: its machines are there anyway.

    `rounding_micros`: what of `machine_micros` is the provider's rounding and minimums. `platforms`, `slots` and `speed`
    are those of the pool now; a pool that is gone has none, one and 1."""

    pool: str
    platforms: tuple[str, ...] = ()
    slots: int = 1
    speed: float = 1.0
    owned: bool = False
    running_ms: int = 0
    stopped_ms: int = 0
    held_ms: int = 0
    egress_bytes: int = 0
    machine_micros: int = 0
    rounding_micros: int = 0
    egress_micros: int = 0


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What is of no machine: fixed charges, and what was stored, in bytes times days."""

    charges_micros: int = 0
    storage_micros: int = 0
    storage_byte_days: int = 0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A pool here and what its use would have cost in the pool `to` there; None where nothing there serves the same.

    Three parts each: machines that ran, machines that were suspended (0 here: it is in the first), and egress."""

    use: Use
    to: str | None
    running: Fraction = Fraction()
    stopped: Fraction = Fraction()
    egress: Fraction = Fraction()
    notes: tuple[str, ...] = ()

    @property
    def then_micros(self) -> int:
        """What it came to."""
        return self.use.machine_micros + self.use.egress_micros

    @property
    def there(self) -> Fraction | None:
        """What it would have come to."""
        return self.running + self.stopped + self.egress if self.to else None


class Unmapped(Exception):
    """A pool that a mapping names and that is not there; `what` in words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def reprice(uses: Sequence[Use], there: Rules, mapping: Mapping[str, str]) -> list[Line]:
    """Each pool's use at the prices of the farm `there`. `mapping`: pool here to pool there; a pool that it does not name
    goes to the one of its name, else to the one that serves its platforms for the least. Raises Unmapped."""
    known = {pool.name: pool for pool in there.pools}
    here = {use.pool for use in uses}
    for one, other in mapping.items():
        if one not in here:
            raise Unmapped(f"pool {one} was not used on these days")
        if other not in known:
            raise Unmapped(f"there is no pool {other} in the other farm")
    return [_line(use, _target(use, known, mapping)) for use in uses]


def charges_there(charges: Iterable[Charge], days_by_month: Mapping[int, int]) -> Fraction:
    """Fixed charges of some days; `days_by_month`: how many days of months of so many days."""
    months = sum((Fraction(days, length) for length, days in days_by_month.items()), Fraction())
    return sum((charge.per_month_micros * months for charge in charges), Fraction())


def storage_there(shared: Shared, there: Rules) -> Fraction:
    """What was stored, at the other price."""
    return Fraction(shared.storage_byte_days * there.storage_per_gb_month_micros, GB) / STORAGE_DAYS


def _target(use: Use, known: Mapping[str, Pool], mapping: Mapping[str, str]) -> Pool | None:
    named = mapping.get(use.pool, use.pool)
    if named in known:
        return known[named]
    fitting = [pool for pool in known.values() if use.platforms and set(pool.platforms) >= set(use.platforms)]
    return min(
        fitting, key=lambda pool: (pool.price_per_hour_micros * _scale(use, pool), pool.name), default=None
    )


def _scale(use: Use, pool: Pool) -> Fraction:
    """How many machines there do what one here does."""
    return Fraction(use.slots, pool.slots) * Fraction(str(use.speed)) / Fraction(str(pool.speed))


def _line(use: Use, pool: Pool | None) -> Line:
    if pool is None:
        platforms = ", ".join(use.platforms)
        note = f"no pool there serves {platforms}" if platforms else "it is no pool of this farm any more"
        return Line(use=use, to=None, notes=(f"{note}: say where it goes with --map",))
    hours = _scale(use, pool) / MS_PER_HOUR
    is_held = use.owned and pool.provider not in OWN
    running_ms = Fraction(use.held_ms, use.slots) if is_held else Fraction(use.running_ms)
    stopped = pool.stopped_price_per_hour_micros or 0
    return Line(
        use=use,
        to=pool.name,
        running=running_ms * hours * pool.price_per_hour_micros,
        stopped=use.stopped_ms * hours * stopped,
        egress=Fraction(use.egress_bytes * pool.egress_per_gb_micros, GB),
        notes=tuple(_notes(use, pool)),
    )


def _notes(use: Use, pool: Pool) -> Iterable[str]:
    if use.owned and pool.provider not in OWN:
        yield f"{use.pool} is owned: only the time that its slots were held is counted; rented machines idle and boot besides"
    if pool.provider in OWN and not use.owned:
        yield f"{pool.name} is owned: its machines cost the same whether they are used or not; this is the part for the hours"
    if pool.stopped_price_per_hour_micros is None and use.stopped_ms:
        yield f"{pool.name} does not suspend: the time that machines were suspended costs nothing, starting them anew is not in it"
    if pool.egress_per_gb_micros and not use.egress_bytes:
        yield f"bytes that left {use.pool} were not counted, as they cost nothing: say how much with --egress"
