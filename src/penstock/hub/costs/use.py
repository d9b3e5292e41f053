"""What was used on some days, in machine-hours and bytes: what other prices can be put to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import OWN, PAGE, Days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Account, Ledger, Span, Tally, day_of
from penstock.model.rules import Rules
from penstock.model.states import Power
from penstock.model.units import DAY_MS, MS_PER_S, decimal_text, micros, seconds
from penstock.ports import Tx
from penstock.reports.reprice import Shared, Use

Document = dict[str, Any]
MACHINES = (Account.DIRECT, Account.IDLE, Account.LIFECYCLE)
Sums = dict[str, dict[str, int]]


def use(hub: Hub, days: Days) -> Document:
    """What each pool was used for on these days, as far as they are entered as a whole: spans end at midnight."""

    def read(tx: Tx, farm: Farm) -> tuple[Ledger | None, Days, Sums, list[Tally]]:
        ledger = tx.get(Ledger, "ledger")
        whole = _entered(ledger, days)
        return ledger, whole, _by_pool(_spans(tx, whole)), reading.tallies(tx, whole)

    ledger, whole, sums, tallies = look(hub, read)
    _add_amounts(sums, tallies)
    return {
        "schema": 1,
        **(range_document(whole) if whole.end > whole.first else {"since": None, "until": None}),
        "days": whole.end - whole.first,
        "currency": hub.rules.currency,
        "entered_until_s": None if ledger is None else seconds(ledger.until_ms),
        "pools": [_line(_use(hub.rules, pool, found)) for pool, found in sorted(sums.items()) if pool],
        **_shared(tallies),
    }


def _entered(ledger: Ledger | None, days: Days) -> Days:
    """Those of the days that are in the books, the last one as a whole."""
    if ledger is None:
        return Days(days.first, days.first)
    first = max(days.first, day_of(ledger.from_ms))
    return Days(first, max(first, min(days.end, day_of(ledger.until_ms))))


def _spans(tx: Tx, days: Days) -> Iterator[Span]:
    """Spans of these days: none goes over midnight, so each ends after its day began, and not after it ended."""
    after: tuple[object, ...] = (days.first * DAY_MS,)
    while True:
        page = tx.find(Span, "until", limit=PAGE, after=after)
        for span in page:
            if span.until_ms > days.end * DAY_MS:
                return
            yield span
        if len(page) < PAGE:
            return
        after = (page[-1].until_ms, page[-1].machine, page[-1].from_ms)


def _by_pool(spans: Iterable[Span]) -> Sums:
    sums: Sums = defaultdict(lambda: defaultdict(int))
    for span in spans:
        kind = "stopped_ms" if span.power == Power.SUSPENDED else "running_ms"
        sums[span.pool][kind] += span.counted_ms * span.count
        sums[span.pool]["rounding_micros"] += span.extra_micros
    return sums


def _add_amounts(sums: Sums, tallies: Iterable[Tally]) -> None:
    for tally in tallies:
        if tally.account in MACHINES:
            sums[tally.pool]["machine_micros"] += tally.amount_micros
            sums[tally.pool]["held_ms"] += tally.quantity if tally.account == Account.DIRECT else 0
        elif tally.account == Account.EGRESS:
            sums[tally.pool]["egress_micros"] += tally.amount_micros
            sums[tally.pool]["egress_bytes"] += tally.quantity


def _use(rules: Rules, name: str, found: dict[str, Any]) -> Use:
    for pool in rules.pools:
        if pool.name == name:
            return Use(
                pool=name,
                platforms=pool.platforms,
                slots=pool.slots,
                speed=pool.speed,
                owned=pool.provider in OWN,
                **found,
            )
    return Use(pool=name, **found)


def _line(use: Use) -> Document:
    return {
        "pool": use.pool,
        "platforms": list(use.platforms),
        "slots": use.slots,
        "speed": use.speed,
        "owned": use.owned,
        "held_s": seconds(use.held_ms),
        "running_s": seconds(use.running_ms),
        "stopped_s": seconds(use.stopped_ms),
        "egress_bytes": use.egress_bytes,
        "machines": decimal_text(use.machine_micros),
        "rounding": decimal_text(use.rounding_micros),
        "egress": decimal_text(use.egress_micros),
    }


def _shared(tallies: Iterable[Tally]) -> Document:
    sums = {account: [0, 0] for account in Account}
    for tally in tallies:
        sums[tally.account][0] += tally.amount_micros
        sums[tally.account][1] += tally.quantity
    stored, stored_bytes = sums[Account.STORAGE]
    return {
        "charges": decimal_text(sums[Account.OVERHEAD][0]),
        "storage": decimal_text(stored),
        "storage_byte_days": stored_bytes,
    }


def uses_of(document: Document) -> tuple[list[Use], Shared]:
    """The same records from the document, wherever it came from."""
    uses = [
        Use(
            pool=line["pool"],
            platforms=tuple(line["platforms"]),
            slots=line["slots"],
            speed=line["speed"],
            owned=line["owned"],
            held_ms=round(line["held_s"] * MS_PER_S),
            running_ms=round(line["running_s"] * MS_PER_S),
            stopped_ms=round(line["stopped_s"] * MS_PER_S),
            egress_bytes=line["egress_bytes"],
            machine_micros=micros(line["machines"]),
            rounding_micros=micros(line["rounding"]),
            egress_micros=micros(line["egress"]),
        )
        for line in document["pools"]
    ]
    charges, storage = micros(document["charges"]), micros(document["storage"])
    return uses, Shared(
        charges_micros=charges, storage_micros=storage, storage_byte_days=document["storage_byte_days"]
    )
