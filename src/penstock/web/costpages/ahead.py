"""What the page of all costs says of what is to come: forecast, grants, budgets."""

from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.budgets import budgets
from penstock.hub.costs.forecast import forecast
from penstock.hub.costs.grants import grants
from penstock.hub.costs.reading import Days
from penstock.hub.costs.report import report
from penstock.model.ledger import day_of
from penstock.web.costpages import drawn
from penstock.web.costpages.shelf import Visit

Document = dict[str, Any]
WINDOW_DAYS = 28
YEAR_BACK_DAYS = 400


def ahead(hub: Hub, shelf: Visit) -> Document:
    """Documents about the future, and their pictures. Each day is one of the past to them once it has ended."""
    coming = shelf.get("forecast", lambda: forecast(hub, WINDOW_DAYS))
    paid = shelf.get("grants", lambda: grants(hub))
    spent = shelf.get("months", lambda: _months(hub))
    agreed = shelf.get("budgets", lambda: budgets(hub))
    return {
        "forecast": coming,
        "grants": paid,
        "budgets": [_budget(one, agreed["today"]) for one in agreed["budgets"]],
        "months_picture": drawn.months(spent["rows"], coming) if coming["rate_per_day"] else None,
        "runways_picture": drawn.runways(paid),
        "paying": [one for one in paid["grants"] if one["state"] == "paying"],
    }


def _months(hub: Hub) -> Document:
    today = day_of(hub.clock.wall_ms())
    return report(hub, Days(today - YEAR_BACK_DAYS, today + 1), ("month",))


def _budget(one: Document, today: str) -> Document:
    """With the width of its bar, and how far its period has gone, both in hundredths."""
    begin, end = drawn.day(one["from"]), drawn.day(one["until"]) + 1
    gone = (drawn.day(today) - begin) / (end - begin)
    return {
        **one,
        "wide": 100 * min(1.0, one["share"]),
        "gone": 100 * gone,
        "fast": one["used_up_on"] is not None,
    }
