"""What jobs and machines asked for beside what they used, over some days, and what smaller sizes would save."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.ledger import Account, Footprint, Ledger, Meter, Tally
from penstock.model.rules import Pool, Rules
from penstock.model.states import Power
from penstock.model.units import DAY_MS, decimal_text
from penstock.ports import Tx
from penstock.reports.busy import Busy, busy, quarters, with_cores
from penstock.reports.load import Grid, Span
from penstock.reports.rightsize import LEAST, MARGIN_PERCENT, Fit, Room, fits

Document = dict[str, Any]
DEFINITIONS = {
    "used": "95th percentile over attempts, known to 5 %: the upper end; memory is the peak, cores the mean of an attempt",
    "recommended": f"used and {{margin}} %, of memory never less than was seen; from {LEAST} measured attempts on",
    "saving": "the share of a machine that is not needed any more, at what these attempts cost; true where others use that room",
    "pools": "95th percentile of quarters of an hour: slots held, machines up; needed: machines that hold as many slots",
}


class Found(NamedTuple):
    """What one look gives. `held`: when slots of each pool were held, `there`: when its machines were up."""

    prints: list[Footprint]
    tallies: list[Tally]
    held: dict[str, list[Span]]
    there: dict[str, list[Span]]
    cells: Grid


def rightsize(hub: Hub, days: Days, margin_percent: int = MARGIN_PERCENT) -> Document:
    """Jobs, the largest saving first, and pools."""
    found = look(hub, lambda tx, farm: _found(hub, tx, days))
    fitted = fits(found.prints, _rooms(hub.rules, found.tallies), margin_percent)
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "margin_percent": margin_percent,
        "resolution_percent": 5,
        "saving": decimal_text(sum(fit.saving_micros for fit in fitted)),
        "jobs": [_fit_line(fit) for fit in fitted],
        "pools": [_pool_line(pool, one) for pool, one in _pools(hub.rules, found)],
        "definitions": {name: text.format(margin=margin_percent) for name, text in DEFINITIONS.items()},
    }


def savings(hub: Hub, days: Days, top: int) -> Document:
    """The `top` jobs with which most could be saved, without pools: no entry is read for it, so a page may ask."""
    read = look(hub, lambda tx, farm: (reading.footprints(tx, days), reading.summed(tx, days, ("platform",))))
    fitted = fits(read[0], _rooms(hub.rules, read[1]), MARGIN_PERCENT)
    return {
        **range_document(days),
        "saving": decimal_text(sum(fit.saving_micros for fit in fitted)),
        "jobs": [_fit_line(fit) for fit in fitted[:top] if fit.saving_micros > 0],
        "definitions": {name: text.format(margin=MARGIN_PERCENT) for name, text in DEFINITIONS.items()},
    }


def _found(hub: Hub, tx: Tx, days: Days) -> Found:
    ledger = tx.get(Ledger, "ledger")
    # Before the books began nobody knows what was there, nor after now.
    begun_ms = max(days.first * DAY_MS, ledger.from_ms if ledger else 0)
    ended_ms = max(begun_ms, min(days.end * DAY_MS, hub.clock.wall_ms()))
    held: dict[str, list[Span]] = defaultdict(list)
    for entry in reading.entries(tx, days):
        if entry.account == Account.DIRECT:
            held[entry.pool].append((entry.at_ms - entry.quantity, entry.at_ms))
    there: dict[str, list[Span]] = defaultdict(list)
    for span in reading.spans(tx, days):
        if span.power == Power.UP:
            there[span.pool] += [(span.from_ms, span.until_ms)] * span.count
    for meter in tx.find(Meter, "key"):
        if meter.power == Power.UP:
            there[meter.pool] += [(meter.since_ms, ended_ms)] * meter.count
    prints, tallies = reading.footprints(tx, days), reading.tallies(tx, days)
    return Found(prints, tallies, held, there, quarters(begun_ms, ended_ms))


def _rooms(rules: Rules, tallies: Iterable[Tally]) -> dict[str, list[Room]]:
    """Of each platform, the machines that it ran on, as far as their size is known, and what it cost there."""
    sizes = {pool.name: pool.size for pool in rules.pools}
    amounts: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        if tally.account == Account.DIRECT:
            amounts[tally.platform, tally.pool] += tally.amount_micros
    found: dict[str, list[Room]] = defaultdict(list)
    for (platform, pool), amount in sorted(amounts.items()):
        size = sizes.get(pool)
        if size is not None:
            found[platform].append(Room(size, amount))
    return found


def _pools(rules: Rules, found: Found) -> list[tuple[Pool, Busy]]:
    return [
        (
            pool,
            with_cores(
                busy(pool.name, pool.slots, found.held[pool.name], found.there[pool.name], found.cells),
                _cores_of(pool, found.prints),
            ),
        )
        for pool in rules.pools
    ]


def _cores_of(pool: Pool, prints: Sequence[Footprint]) -> Mapping[str, int]:
    counted: Counter[str] = Counter()
    for one in prints:
        if one.platform in pool.platforms:
            counted.update(one.cores)
    return counted


def _fit_line(fit: Fit) -> Document:
    amounts = ("amount_micros", "saving_micros")
    plain = {name: value for name, value in msgspec.structs.asdict(fit).items() if name not in amounts}
    cores = plain.pop("p95_cores_milli")
    return {
        **plain,
        "p95_cores": None if cores is None else cores / 1000,
        "cost": decimal_text(fit.amount_micros),
        "saving": decimal_text(fit.saving_micros),
    }


def _pool_line(pool: Pool, one: Busy) -> Document:
    return {
        "pool": one.pool,
        "machines": pool.machines or None,
        "slots": one.slots,
        "machine_cores": pool.size.cores if pool.size else None,
        "p95_slots_held": one.held_milli / 1000,
        "p95_machines_up": one.machines_milli / 1000,
        "needed": one.needed,
        "p95_cores_at_work": None if one.cores_milli is None else one.cores_milli / 1000,
        "held_share": None if one.used_ppm is None else one.used_ppm / 1_000_000,
    }
