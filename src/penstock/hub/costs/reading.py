"""Rows of the ledger of some days, as reports take them. Whoever calls these gives one view, so all that they read agrees."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import msgspec

from penstock.hub.context import Hub
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.ledger import BuildCost, Entry, Footprint, Ledger, Meter, Span, Tally, day_of
from penstock.model.records import SHAPES
from penstock.model.rules import Rules
from penstock.model.units import DAY_MS
from penstock.policy.charging.meters import Moment, terms_of
from penstock.policy.charging.unentered import unentered
from penstock.ports import Tx
from penstock.reports.costs import EPOCH, Offered

R = TypeVar("R", bound=msgspec.Struct)
PAGE = 10_000
"""Rows that are read at once: bounds what a long range holds in memory twice."""
OWN = ("owned", "local")
"""Providers whose machines cost the same whether they work or not."""


FIELDS = {"project": "project", "platform": "platform", "class": "klass", "day": "day"}
"""Fields of a tally by what reports call them, beside those that each report needs."""
SUMS = ("amount_micros", "quantity", "count")
NOTHING: dict[str, Any] = {"project": "", "platform": "", "klass": ""}


class Days(NamedTuple):
    """From the day `first` to the day before `end`, both days since 1970-01-01 (UTC)."""

    first: int
    end: int


def tallies(tx: Tx, days: Days) -> list[Tally]:
    """What was entered on these days, added up."""
    return list(_of_days(tx, Tally, "key", days))


def summed(tx: Tx, days: Days, by: Sequence[str]) -> list[Tally]:
    """The same as far as reports by `by` (of reports.costs.KEYS) need it: tallies that agree in that are one.

    A long range is added up where it lies: what is one is of the first day of its month, or of the range.
    """
    fields = tuple(
        dict.fromkeys(["pool", "account", "outcome", *(FIELDS[name] for name in by if name in FIELDS)])
    )
    if "offer" in by:
        return _offered(tx, days, by)
    found: list[Tally] = []
    for part in _months(_there(tx, days)) if "month" in by and "day" not in by else [days]:
        for row in tx.added(Tally, fields, SUMS, *part):
            values = NOTHING | {"day": part.first} | dict(zip((*fields, *SUMS), row, strict=True))
            found.append(Tally(**values))
    return found


def _offered(tx: Tx, days: Days, by: Sequence[str]) -> list[Tally]:
    """The same by offer, too, which no tally knows: all entries of these days are read."""
    names = [FIELDS[name] for name in by if name in FIELDS] + (["day"] if "month" in by else [])
    found: dict[tuple[Any, ...], list[int]] = {}
    for entry in entries(tx, days):
        values = tuple(getattr(entry, name) for name in names)
        sums = found.setdefault((entry.pool, entry.account, entry.outcome, entry.offer, *values), [0, 0, 0])
        for place, more in enumerate((entry.amount_micros, entry.quantity, 1)):
            sums[place] += more
    fields = ("pool", "account", "outcome", "offer", *names)
    return [
        Offered(**(NOTHING | {"day": days.first} | dict(zip((*fields, *SUMS), (*key, *sums), strict=True))))
        for key, sums in found.items()
    ]


def build_costs(tx: Tx, days: Days) -> list[BuildCost]:
    """What builds cost that were created on these days."""
    return list(_of_days(tx, BuildCost, "day", days))


def footprints(tx: Tx, days: Days) -> list[Footprint]:
    """What attempts used on these days."""
    return list(_of_days(tx, Footprint, "key", days))


def entries(tx: Tx, days: Days) -> Iterator[Entry]:
    """The entries of these days in their order, a page at a time: there may be very many."""
    return _of_days(tx, Entry, "day", days)


def spans(tx: Tx, days: Days) -> Iterator[Span]:
    """Spans of machines that ended on these days, a page at a time; each began on the day that it ended on."""
    first_ms, end_ms = days.first * DAY_MS, days.end * DAY_MS
    after: tuple[object, ...] = (first_ms,)
    while True:
        page = tx.find(Span, "until", limit=PAGE, after=after)
        yield from (span for span in page if first_ms < span.until_ms <= end_ms)
        if len(page) < PAGE or page[-1].until_ms > end_ms:
            return
        after = (page[-1].until_ms, page[-1].machine, page[-1].from_ms)


def builds(tx: Tx, days: Days) -> dict[str, Build]:
    """Builds that were created on these days, by their id."""
    found: dict[str, Build] = {}
    after: tuple[object, ...] = (days.first * DAY_MS - 1,)
    while True:
        page = tx.find(Build, "created", limit=PAGE, after=after)
        found |= {build.id: build for build in page if day_of(build.created_ms) < days.end}
        if len(page) < PAGE or day_of(page[-1].created_ms) >= days.end:
            return found
        after = (page[-1].created_ms, page[-1].id)


def entered_until_ms(tx: Tx) -> int | None:
    """Until when usage is entered, None where nothing is yet."""
    ledger = tx.get(Ledger, "ledger")
    return ledger.until_ms if ledger else None


def unentered_micros(hub: Hub, view: tuple[Tx, Farm], days: Days) -> int | None:
    """What has run up on machines and is not entered yet; None where these days do not hold this moment."""
    tx, farm = view
    wall_ms = hub.clock.wall_ms()
    if not days.first <= day_of(wall_ms) < days.end:
        return None
    terms = {pool.name: terms_of(pool, 0, 0) for pool in hub.rules.pools}
    return unentered(tx.find(Meter, "key"), terms, Moment(wall_ms, farm.time_ms)).total()


def paid_by_use(rules: Rules) -> frozenset[str]:
    """Pools of which one more job costs money: the rented ones."""
    return frozenset(pool.name for pool in rules.pools if pool.provider not in OWN)


def _there(tx: Tx, days: Days) -> Days:
    """The same days as far as anything is entered: a range may be that of the calendar."""
    ends = [tx.find(Tally, "key", limit=1, backwards=backwards) for backwards in (False, True)]
    if not all(ends):
        return Days(0, 0)
    return Days(max(days.first, ends[0][0].day), min(days.end, ends[1][0].day + 1))


def _months(days: Days) -> Iterator[Days]:
    """The days of each calendar month."""
    first = days.first
    while first < days.end:
        on = date.fromordinal(EPOCH + first)
        length = monthrange(on.year, on.month)[1] - on.day + 1
        yield Days(first, min(days.end, first + length))
        first += length


def _of_days(tx: Tx, kind: type[R], index: str, days: Days) -> Iterator[R]:
    """Rows by an index that begins with the day and ends with the key, so that no page is searched from its start."""
    shape = SHAPES[kind]
    place = attrgetter(*(shape.key if index == "key" else shape.indexes[index]))
    after: tuple[object, ...] = (days.first - 1,)
    while True:
        page = tx.find(kind, index, limit=PAGE, after=after)
        for row in page:
            if row.day >= days.end:  # type: ignore[attr-defined]
                return
            yield row
        if len(page) < PAGE:
            return
        after = place(page[-1])
