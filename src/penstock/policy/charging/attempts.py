"""What one attempt costs: price per hour x share of the machine x time held, in integer micro-units."""

import msgspec

from penstock.model.job import Attempt
from penstock.model.ledger import Account, Entry, Hold, Meter, day_of
from penstock.model.units import MS_PER_HOUR

STEP_MS = 30_000
"""Farm time moves in steps of at most this; a measured time may exceed it by no more."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What entries say of the job that an attempt is of. `name`: "module:kind"."""

    job: str
    build: str
    project: str = ""
    branch: str = ""
    name: str = ""
    platform: str = ""
    klass: str = ""


def held_ms(attempt: Attempt, now_ms: int, measured_ms: int) -> int:
    """How long the attempt held its slot, in farm time from the grant to `now_ms`.

    What the agent measured is taken where it is finer: farm time stands still between two steps of the leader.
    """
    span_ms = max(0, now_ms - attempt.granted_ms)
    return max(span_ms, min(measured_ms, span_ms + STEP_MS))


def cost_micros(attempt: Attempt, slots: int, held: int) -> int:
    """The cost of holding one of `slots` slots for `held` milliseconds, rounded half up."""
    share = max(1, slots)
    return (2 * attempt.price_per_hour_micros * held + share * MS_PER_HOUR) // (2 * share * MS_PER_HOUR)


def slot_ms(attempt: Attempt) -> int:
    """How long an attempt that has ended had its slot, by the wall clock or as its agent measured it."""
    return max(0, attempt.ended_ms - attempt.offered_ms, attempt.usage.held_ms)


def so_far(attempt: Attempt, slots: int, wall_ms: int) -> tuple[int, int]:
    """What an attempt cost until then, and for how long it had its slot: all of it once it has ended."""
    if not attempt.live and attempt.ended_ms <= wall_ms:
        return attempt.cost_micros, slot_ms(attempt)
    had_ms = max(0, wall_ms - attempt.offered_ms)
    cost = cost_micros(attempt, slots, had_ms)
    return (cost, had_ms) if attempt.live else (min(cost, attempt.cost_micros), had_ms)


def enter(
    meter: Meter, attempt: Attempt, about: About, wall_ms: int, final: bool = False
) -> tuple[Entry, Meter]:
    """The entry of what an attempt cost until then, less what is entered already, and the meter that knows of it.

    `final`: it is settled: its entries sum up to its cost now, and it is not held any more.
    """
    hold = meter.held[attempt.id]
    cost, had_ms = (attempt.cost_micros, slot_ms(attempt)) if final else so_far(attempt, meter.slots, wall_ms)
    part_ms = max(0, had_ms - hold.entered_ms)
    entry = Entry(
        day=day_of(wall_ms),
        at_ms=wall_ms,
        account=Account.DIRECT,
        amount_micros=cost - hold.entered_micros,
        quantity=part_ms,
        price_micros=attempt.price_per_hour_micros,
        pool=meter.pool,
        machine=meter.machine,
        span_ms=meter.since_ms,
        power=str(meter.power),
        attempt=attempt.id,
        outcome=str(attempt.state) if final else "",
        final=final,
        **msgspec.structs.asdict(about),
    )
    held = {name: one for name, one in meter.held.items() if name != attempt.id}
    if not final:
        held[attempt.id] = Hold(hold.since_ms, cost, hold.entered_ms + part_ms)
    after = msgspec.structs.replace(
        meter,
        held=held,
        direct_micros=meter.direct_micros + entry.amount_micros,
        direct_ms=meter.direct_ms + part_ms // max(1, meter.slots),
    )
    return entry, after
