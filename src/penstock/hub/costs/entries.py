"""Entries of the ledger that are as asked for, in pages: the rows behind every number."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs.reading import Days
from penstock.hub.costs.rows import entry_line
from penstock.hub.steps import look
from penstock.model.ledger import Entry
from penstock.model.records import SHAPES
from penstock.model.units import decimal_text
from penstock.ports import Tx

Document = dict[str, Any]
LOOKED_AT = 20_000
"""Entries that are read for one page: where few are as asked for, a page may have few rows, or none, and the next more."""
INDEXES = ("attempt", "build", "machine")
"""What entries are found by; by their day else."""


class Wanted(NamedTuple):
    """Entries of these days that have all of these values, by field of model.ledger.Entry."""

    days: Days
    values: Mapping[str, str]


def entries(hub: Hub, wanted: Wanted, limit: int, after: str = "") -> Document:
    """At most `limit` of them; `next` leads on as `after`, None on the last page. `amount` is the sum of this page."""
    index = next((name for name in INDEXES if name in wanted.values), "day")
    looked = look(hub, lambda tx, farm: _looked(tx, index, wanted, after))
    found = [entry for entry in looked if _takes(wanted, entry)]
    shown = found[:limit]
    more = len(found) > limit or len(looked) == LOOKED_AT
    last = shown[-1] if len(found) > limit else looked[-1] if looked else None
    return {
        "schema": 1,
        "currency": hub.rules.currency,
        "entries": [entry_line(entry) for entry in shown],
        "amount": decimal_text(sum(entry.amount_micros for entry in shown)),
        "next": "-".join(map(str, _place(index, last))) if more and last else None,
    }


def _looked(tx: Tx, index: str, wanted: Wanted, after: str) -> list[Entry]:
    place = tuple(int(number) for number in after.split("-")) if after else ()
    if index == "day":
        place = place or (wanted.days.first - 1,)
        found = tx.find(Entry, "day", limit=LOOKED_AT, after=place)
        # Beyond the last day there is nothing to go on to.
        return [entry for entry in found if entry.day < wanted.days.end]
    place = place[: len(_left(index))]
    return tx.find(Entry, index, wanted.values[index], limit=LOOKED_AT, after=place)


def _takes(wanted: Wanted, entry: Entry) -> bool:
    inside = wanted.days.first <= entry.day < wanted.days.end
    return inside and all(getattr(entry, name) == value for name, value in wanted.values.items())


def _place(index: str, entry: Entry) -> tuple[int, ...]:
    """Where an entry stands in an index."""
    return tuple(getattr(entry, name) for name in _left(index))


def _left(index: str) -> tuple[str, ...]:
    """The fields of an index that are not asked for."""
    fields = SHAPES[Entry].indexes[index]
    return fields if index == "day" else fields[1:]
