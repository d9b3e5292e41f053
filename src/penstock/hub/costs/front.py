"""What was spent on some days by pool, project, platform, class and outcome, from one look: tables of `penstock costs report`."""

from collections.abc import Sequence
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.daily import EVERYTHING, Asked
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import line
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Tally
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import costs
from penstock.reports.costs import added

Document = dict[str, Any]
BY = ("pool", "project", "platform", "class", "outcome")
FIELDS = ("project", "platform", "class")
"""What is read of tallies beside what all reports need: sums of all the others."""


def front(hub: Hub, days: Days, about: Asked = EVERYTHING) -> Document:
    """Tables by each of BY and their sum; `before`: the sum of as many days before."""
    before = Days(2 * days.first - days.end, days.first)

    def read(tx: Tx, farm: Farm) -> tuple[list[Tally], list[Tally], int | None]:
        now = reading.summed(tx, days, FIELDS)
        return now, reading.summed(tx, before, ("project",)), reading.entered_until_ms(tx)

    found, earlier, until_ms = look(hub, read)
    now = [tally for tally in found if about.takes(tally)]
    old = [tally for tally in earlier if about.takes(tally)]
    paid = reading.paid_by_use(hub.rules)
    tables = {by: _table(now, by, paid) for by in BY}
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "entered_until_s": None if until_ms is None else seconds(until_ms),
        "tables": tables,
        "total": line(added(costs.report(now, ("pool",), paid), ("",)), ("pool",)),
        "before": {**range_document(before), "total": decimal_text(sum(one.amount_micros for one in old))},
    }


def _table(tallies: Sequence[Tally], by: str, paid: frozenset[str]) -> list[Document]:
    """The rows of `penstock costs report --by`, the dearest first."""
    rows = costs.report(tallies, (by,), paid)
    return [line(row, (by,)) for row in sorted(rows, key=lambda row: (-row.loaded_micros, row.key))]
