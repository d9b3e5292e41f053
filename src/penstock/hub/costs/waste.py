"""What was spent on what came to nothing, and what costs more or less than before."""

from collections.abc import Sequence
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.ranges import range_document
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.ledger import Ledger, day_of
from penstock.model.units import DAY_MS, decimal_text
from penstock.reports.buildcosts import Waste
from penstock.reports.buildcosts import waste as wasted
from penstock.reports.costs import day_text
from penstock.reports.movers import Mover
from penstock.reports.movers import movers as moved

Document = dict[str, Any]
KINDS = {
    "idle": "machines that were there and held by nobody, suspended ones included",
    "lifecycle": "machines on the way to being usable, or gone",
    "lost": "attempts that the farm lost; their retries are not in it",
    "dropped": "attempts of jobs that were superseded or cancelled",
    "flaky": "attempts that failed in builds of a commit that passed in another build, unchanged",
}
"""What waste is. Of machines: what was entered on these days; of attempts: of builds that were created on them."""

YOUNG = "the books begin on {}: what was spent before is not in them"


def waste(hub: Hub, days: Days) -> Document:
    """Each of KINDS, and its share of all that was spent; None where nothing was."""
    tallies, builds, made = look(
        hub,
        lambda tx, farm: (
            reading.summed(tx, days, ()),
            reading.build_costs(tx, days),
            reading.builds(tx, days),
        ),
    )
    found = wasted(tallies, builds, {name: build.state for name, build in made.items()})
    return {
        "schema": 1,
        **range_document(days),
        "currency": hub.rules.currency,
        "spent": decimal_text(found.spent),
        "waste": [_kind_line(found, kind) for kind in KINDS],
    }


def movers(hub: Hub, days: Days, before: Days, by: Sequence[str], top: int) -> Document:
    """The `top` largest changes from the days `before` to `days`, by `by` (of reports.costs.KEYS), and why."""
    old, new, ledger = look(
        hub,
        lambda tx, farm: (
            reading.summed(tx, before, by),
            reading.summed(tx, days, by),
            tx.get(Ledger, "ledger"),
        ),
    )
    found = moved(old, new, by)
    young = ledger is not None and ledger.from_ms > before.first * DAY_MS
    return {
        "schema": 1,
        **range_document(days),
        "before": range_document(before),
        "currency": hub.rules.currency,
        "by": list(by),
        "change": decimal_text(sum(one.change_micros for one in found)),
        "movers": [_change_line(one, by) for one in found[:top]],
        "others": max(0, len(found) - top),
        "warnings": [YOUNG.format(day_text(day_of(ledger.from_ms)))] if young and ledger else [],
    }


def _kind_line(found: Waste, kind: str) -> Document:
    amount = getattr(found, kind)
    return {
        "kind": kind,
        "amount": decimal_text(amount),
        "share": round(amount / found.spent, 6) if found.spent else None,
        "what": KINDS[kind],
    }


def _change_line(one: Mover, by: Sequence[str]) -> Document:
    return {
        "of": dict(zip(by, one.key, strict=True)),
        "before": decimal_text(one.before_micros),
        "now": decimal_text(one.now_micros),
        "change": decimal_text(one.change_micros),
        "quantity": decimal_text(one.quantity_micros),
        "price": decimal_text(one.price_micros),
        "mix": decimal_text(one.mix_micros),
        "cause": one.cause,
    }
