"""What the page of all costs shows: documents of the hub, and what is drawn and said of them."""

from collections.abc import Sequence
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.builds import builds
from penstock.hub.costs.daily import daily
from penstock.hub.costs.front import front
from penstock.hub.costs.reading import Days
from penstock.hub.costs.waste import movers, waste
from penstock.model.ledger import day_of
from penstock.reports.costs import ACCOUNTS
from penstock.web.costpages import drawn
from penstock.web.costpages.ahead import ahead
from penstock.web.costpages.shelf import Visit
from penstock.web.costpages.sides import sides

Document = dict[str, Any]
WEEK = 7
MOVERS_SHOWN = 8
DEAREST_SHOWN = 6
TABLES = ("pool", "project", "platform", "class")


def last_days(hub: Hub, days: int) -> Days:
    """The last `days` days, today included."""
    today = day_of(hub.clock.wall_ms())
    return Days(today + 1 - days, today + 1)


def values(hub: Hub, shelf: Visit, days: int) -> Document:
    """Everything on the page, of the last `days` days."""
    by_day = shelf.get("daily", lambda: daily(hub))
    if not by_day["days"]:
        return {"days": days, "begun": False, "currency": hub.rules.currency}
    asked = last_days(hub, days)
    found = shelf.get(f"front {days}", lambda: front(hub, asked))
    return {
        "days": days,
        "begun": True,
        "found": found,
        "currency": hub.rules.currency,
        "entered_until_s": by_day["entered_until_s"],
        "by_day": by_day,
        "accounts": accounts(found["total"]),
        "days_picture": drawn.days(by_day, "What each day cost, by account"),
        "recent": recent(by_day["days"]),
        "tables": [{"by": by, "rows": rows(found["tables"][by], by)} for by in TABLES],
        "waste": wasted(shelf.get(f"waste {days}", lambda: waste(hub, asked))),
        "moved": shelf.get("movers", lambda: _week(hub)),
        "builds": shelf.get(f"builds {days}", lambda: builds(hub, asked, DEAREST_SHOWN)),
        **ahead(hub, shelf),
        **sides(hub, shelf),
    }


def _week(hub: Hub) -> Document:
    """The last seven days that are over, beside the seven before: a day that has just begun would fall each morning."""
    today = day_of(hub.clock.wall_ms())
    now, before = Days(today - WEEK, today), Days(today - 2 * WEEK, today - WEEK)
    return movers(hub, now, before, ("project", "pool"), MOVERS_SHOWN)


def accounts(total: Document) -> list[Document]:
    """All accounts with their share, in the order in which they are stacked."""
    whole = float(total["total"]) or 1.0
    return [{"name": str(one), "amount": total[one], "share": float(total[one]) / whole} for one in ACCOUNTS]


def recent(days: Sequence[Document]) -> Document:
    """Today so far, yesterday, and a day of the last seven that are over."""
    whole = [day for day in days if day["whole"]]
    week = whole[-WEEK:]
    mean = sum(float(day["total"]) for day in week) / len(week) if week else None
    return {"today": days[-1], "yesterday": whole[-1] if whole else None, "mean": mean, "of": len(week)}


def rows(lines: Sequence[Document], by: str) -> list[Document]:
    """Rows with bars: `marginal_share` and `loaded_share` of the widest bar, `share` of everything."""
    most = max((float(one["loaded"]) for one in lines), default=0.0) or 1.0
    whole = sum(float(one["loaded"]) for one in lines) or 1.0
    return [
        {
            **one,
            "name": one["of"][by],
            "share": float(one["loaded"]) / whole,
            "loaded_share": max(0.0, float(one["loaded"]) / most),
            "marginal_share": max(0.0, float(one["marginal"]) / most),
            "each": float(one["loaded"]) / one["attempts"] if one["attempts"] else None,
        }
        for one in lines
    ]


def wasted(found: Document) -> Document:
    """Kinds of waste, the largest first, with bars, and all of them together."""
    lines = sorted(found["waste"], key=lambda line: -float(line["amount"]))
    amount = sum(float(line["amount"]) for line in lines)
    most = max((float(line["amount"]) for line in lines), default=0.0) or 1.0
    return {
        "amount": amount,
        "share": amount / float(found["spent"]) if float(found["spent"]) else 0.0,
        "lines": [{**line, "wide": max(0.0, float(line["amount"]) / most)} for line in lines],
    }
