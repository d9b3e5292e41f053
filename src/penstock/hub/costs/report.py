"""What was spent on some days, by whatever people ask for."""

from collections.abc import Sequence
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports import costs
from penstock.reports.costs import ACCOUNTS, Row

Document = dict[str, Any]
DEFINITIONS = {
    "marginal": "what one more job costs: direct, egress and a share of lifecycle, in pools that are paid by use",
    "loaded": "all that was spent: idle, lifecycle, overhead and storage divided in proportion to direct, in each pool",
    "attempts": "attempts that ended on these days; retries count",
}
OF_BRANCHES = {
    "loaded": "all that was spent: idle, lifecycle, overhead and storage divided in proportion to direct, over all pools",
    "direct": "all attempts of builds that were created on these days; without a branch: what else was spent on them",
}


def report(hub: Hub, days: Days, by: Sequence[str], top: int | None = None) -> Document:
    """Rows by `by` (of reports.costs.KEYS), their sum, and `others` where only the `top` dearest are named.

    With "branch", `by` is of reports.costs.BY_BRANCH.
    """
    rows, until_ms, unentered = look(
        hub,
        lambda tx, farm: (
            _rows(hub, tx, days, by),
            reading.entered_until_ms(tx),
            reading.unentered_micros(hub, (tx, farm), days),
        ),
    )
    shown, others = costs.dearest(rows, top)
    nothing = ("",) * len(by)
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "entered_until_s": None if until_ms is None else seconds(until_ms),
        "unentered": None if unentered is None else decimal_text(unentered),
        "by": list(by),
        "rows": [line(row, by) for row in shown],
        "others": {"rows": len(others), **line(costs.added(others, nothing), by)} if others else None,
        "total": line(costs.added(rows, nothing), by),
        "definitions": DEFINITIONS | (OF_BRANCHES if "branch" in by else {}),
    }


def _rows(hub: Hub, tx: Tx, days: Days, by: Sequence[str]) -> list[Row]:
    found = reading.summed(tx, days, by)
    if "branch" in by:
        return costs.report_branches(reading.build_costs(tx, days), found, by)
    return costs.report(found, by, reading.paid_by_use(hub.rules))


def line(row: Row, by: Sequence[str]) -> Document:
    """One row as a document: amounts as decimal strings."""
    return {
        "of": dict(zip(by, row.key, strict=True)),
        **{str(account): decimal_text(n) for account, n in zip(ACCOUNTS, row.accounts, strict=True)},
        "total": decimal_text(row.total_micros),
        "marginal": None if row.marginal_micros is None else decimal_text(row.marginal_micros),
        "loaded": decimal_text(row.loaded_micros),
        "attempts": row.attempts,
        "passed": row.passed,
        "held_s": None if row.held_ms is None else seconds(row.held_ms),
    }
