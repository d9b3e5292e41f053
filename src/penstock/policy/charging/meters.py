"""What a machine costs: its meter, closed into spans whenever its power or its price changes, and at midnight.

Amounts are rounded cumulatively: what the rounding of one span left over goes into the next, so that the spans of a run
sum up to the price x time of the run, rounded once, however often it was cut.
"""

from typing import NamedTuple

import msgspec

from penstock.model.ledger import Account, Entry, Meter, Span, day_of
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.model.units import MS_PER_HOUR

LOCAL, OWN = "local", ("owned", "local")
"""Providers whose machines are there anyway; those of "local" only count while the farm lives."""
_IDLE = (Power.UP, Power.SUSPENDED, Power.ABSENT, Power.GONE)
HOUR, STOPPED, NOTHING = "hour", "stopped", ""
"""What a machine is billed as: running, stopped, not at all."""


class Moment(msgspec.Struct, frozen=True):
    """One instant by the wall clock, and in time that the farm lived."""

    wall_ms: int
    farm_ms: int = 0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool's machines cost, in micro-units an hour, and how their provider rounds the time of a start.

    `mortal`: they only count while the farm lives. `rented`: what ends is rounded up, what never came costs nothing.
    """

    hour: int = 0
    stopped: int = 0
    rented: bool = False
    mortal: bool = False
    granularity_ms: int = 1
    minimum_ms: int = 0

    def price(self, what: str) -> int:
        """The price of a machine that is billed so."""
        return {HOUR: self.hour, STOPPED: self.stopped}.get(what, 0)


class Closed(NamedTuple):
    """A span that ended, None where nothing is to be said of it; its entries but for those of attempts; and the meter
    from then on."""

    span: Span | None
    entries: tuple[Entry, ...]
    meter: Meter


def terms_of(pool: Pool, hour: int, stopped: int) -> Terms:
    """What machines of this pool cost at these prices."""
    rented = pool.provider not in OWN
    return Terms(
        hour=hour,
        stopped=stopped,
        rented=rented,
        mortal=pool.provider == LOCAL,
        granularity_ms=max(1, pool.billing.granularity_ms) if rented else 1,
        minimum_ms=pool.billing.minimum_ms if rented else 0,
    )


def begin(machine: Machine, terms: Terms, at: Moment) -> Meter:
    """The meter of a machine from now on, as it is."""
    what = billed_as(HOUR, machine.power)
    return Meter(
        machine=machine.id,
        pool=machine.pool,
        power=machine.power,
        since_ms=at.wall_ms,
        price_micros=terms.price(what),
        slots=max(1, machine.slots),
        what=what,
        mortal=terms.mortal,
        farm_ms=at.farm_ms,
        run_ms=at.wall_ms if what else 0,
        first_ms=at.wall_ms,
    )


def repriced(meter: Meter, terms: Terms) -> Meter:
    """The meter of what is ordered, at the price of the offer that it is ordered from by now: those that were asked before
    gave nothing, and cost nothing."""
    return msgspec.structs.replace(meter, price_micros=terms.price(meter.what))


def absent(pool: str, count: int, terms: Terms, at: Moment) -> Meter:
    """The meter of so many machines that a pool has and of which none has registered yet."""
    return Meter(
        machine=f"pool:{pool}",
        pool=pool,
        power=Power.ABSENT,
        since_ms=at.wall_ms,
        price_micros=terms.hour,
        count=count,
        farm_ms=at.farm_ms,
        run_ms=at.wall_ms,
        first_ms=at.wall_ms,
    )


def billed_as(before: str, power: Power) -> str:
    """What a machine of this power is billed as; one that is given back as what it was."""
    if power == Power.DELETING:
        return before
    return {Power.SUSPENDED: STOPPED, Power.GONE: NOTHING}.get(power, HOUR)


def rounded(carry: int, price: int, lasted_ms: int) -> tuple[int, int]:
    """Price an hour x time and what was left over before, rounded half up, and what is left over now."""
    exact = carry + price * lasted_ms
    amount = (2 * exact + MS_PER_HOUR) // (2 * MS_PER_HOUR)
    return amount, exact - amount * MS_PER_HOUR


def counted_ms(meter: Meter, terms: Terms, at: Moment) -> int:
    """How much of the time since the meter was cut counts, for one machine."""
    wall_ms = max(0, at.wall_ms - meter.since_ms)
    return min(wall_ms, max(0, at.farm_ms - meter.farm_ms)) if meter.mortal or terms.mortal else wall_ms


def cut(meter: Meter, terms: Terms, at: Moment) -> Closed:
    """The span until then; the run goes on, at the price of `terms`."""
    counts_ms = counted_ms(meter, terms, at)
    amount, carry = rounded(meter.carry, meter.price_micros * meter.count, counts_ms)
    closed = _closed(meter, at, (counts_ms, amount, carry))
    return closed._replace(meter=msgspec.structs.replace(closed.meter, price_micros=terms.price(meter.what)))


def turn(meter: Meter, power: Power, terms: Terms, at: Moment, came: bool = True) -> Closed:
    """The span until the machine's power changed to this, and the meter of the next one.

    What is billed as one start ends where it stops, goes, or is billed as something else: rounded up as its provider
    does. Not `came`: its provider never made it. Such an order costs nothing, nor does a resume that was refused.
    """
    what = billed_as(meter.what, power)
    if (meter.power == Power.RESUMING and power == Power.SUSPENDED) or not (came or what):
        closed = _closed(meter, at, (0, 0, 0), (0, -meter.run_paid_micros))
    else:
        counts_ms = counted_ms(meter, terms, at)
        amount, carry = rounded(meter.carry, meter.price_micros * meter.count, counts_ms)
        more_ms = _rounding_ms(meter, terms, counts_ms) if what != meter.what else 0
        extra, left = rounded(carry, meter.price_micros * meter.count, more_ms)
        closed = _closed(meter, at, (counts_ms, amount, left), (more_ms, extra))
    after = msgspec.structs.replace(closed.meter, power=power, what=what, price_micros=terms.price(what))
    return closed._replace(meter=after if what == meter.what else _new_run(after))


def _new_run(meter: Meter) -> Meter:
    run_ms = meter.since_ms if meter.what else 0
    return msgspec.structs.replace(meter, run_ms=run_ms, run_paid_micros=0, run_counted_ms=0, carry=0)


def _rounding_ms(meter: Meter, terms: Terms, counts_ms: int) -> int:
    """How much longer than it lasted the provider counts a run that ends; what is stopped has no minimum."""
    lasted_ms = meter.run_counted_ms + counts_ms
    least_ms = terms.minimum_ms if meter.what == HOUR else 0
    paid_ms = max(least_ms, -(-lasted_ms // terms.granularity_ms) * terms.granularity_ms)
    return (paid_ms - lasted_ms) if terms.rented and meter.what else 0


def _closed(meter: Meter, at: Moment, time: tuple[int, int, int], extra: tuple[int, int] = (0, 0)) -> Closed:
    """`time`: what counts of it, its amount, what that leaves over; `extra`: what the provider adds, in time and money."""
    (counts_ms, amount, carry), (extra_ms, extra_micros) = time, extra
    until_ms = max(at.wall_ms, meter.since_ms)
    span: Span | None = None
    entries: tuple[Entry, ...] = ()
    if until_ms > meter.since_ms or amount or extra_micros or meter.direct_micros:
        # Spans are told apart by when they began: one with an amount lasts a moment at least.
        until_ms = max(until_ms, meter.since_ms + 1)
        span = Span(
            machine=meter.machine,
            from_ms=meter.since_ms,
            until_ms=until_ms,
            pool=meter.pool,
            power=meter.power,
            price_micros=meter.price_micros,
            amount_micros=amount + extra_micros,
            extra_micros=extra_micros,
            count=meter.count,
            counted_ms=counts_ms,
            run_ms=meter.run_ms,
        )
        entries = _entries(meter, span, counts_ms * meter.count, extra_ms)
    after = msgspec.structs.replace(
        meter,
        since_ms=until_ms,
        farm_ms=at.farm_ms,
        direct_micros=0,
        direct_ms=0,
        run_paid_micros=meter.run_paid_micros + amount + extra_micros,
        paid_micros=meter.paid_micros + amount + extra_micros,
        run_counted_ms=meter.run_counted_ms + counts_ms,
        carry=carry,
    )
    return Closed(span, entries, after)


def _entries(meter: Meter, span: Span, counts_ms: int, extra_ms: int) -> tuple[Entry, ...]:
    """What nobody held of a span, and what its provider added."""
    rest = Entry(
        day=day_of(span.until_ms - 1),
        at_ms=span.until_ms,
        account=Account.IDLE if meter.power in _IDLE else Account.LIFECYCLE,
        amount_micros=span.amount_micros - span.extra_micros - meter.direct_micros,
        quantity=max(0, counts_ms - meter.direct_ms),
        price_micros=meter.price_micros,
        pool=meter.pool,
        machine=meter.machine,
        span_ms=meter.since_ms,
        power=str(meter.power),
    )
    added = msgspec.structs.replace(
        rest, account=Account.LIFECYCLE, amount_micros=span.extra_micros, quantity=extra_ms, what="rounding"
    )
    return tuple(one for one in (rest, added) if one.amount_micros or one.quantity)
