"""What the page of all costs says of prices and limits: owned beside rented, metered beside billed, guards, sizes."""

from collections import Counter
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.guards import guards
from penstock.hub.costs.latency import latency
from penstock.hub.costs.reading import Days
from penstock.hub.costs.reconciling import reconcile
from penstock.hub.costs.rightsize import savings
from penstock.hub.costs.tco import tco
from penstock.model.ledger import day_of
from penstock.web.costpages import drawn
from penstock.web.costpages.shelf import Visit

Document = dict[str, Any]
WINDOW_DAYS = 28
SAVINGS_SHOWN = 5
SIGNS = {"standby": "·", "armed": "!", "pending": "?", "active": "✗", "cooling": "↓"}
"""Of guards, by their state: colour alone says nothing."""


def sides(hub: Hub, shelf: Visit) -> Document:
    """Documents about prices, and their pictures."""
    colours = {pool.name: number for number, pool in enumerate(hub.rules.pools)}
    owned = shelf.get("tco", lambda: tco(hub))
    runs = shelf.get("latency", lambda: latency(hub, _window(hub)))
    return {
        "latency": runs,
        "latency_picture": drawn.latency(runs, colours),
        "owned": owned,
        "use_picture": drawn.use(owned, colours),
        "guards": [
            {**one, "sign": SIGNS[one["state"]]} for one in shelf.get("guards", lambda: guards(hub))["guards"]
        ],
        "sizes": shelf.get("sizes", lambda: savings(hub, _window(hub), SAVINGS_SHOWN)),
        "billed": billed(shelf.get("reconcile", lambda: reconcile(hub, ""))),
    }


def _window(hub: Hub) -> Days:
    today = day_of(hub.clock.wall_ms())
    return Days(today + 1 - WINDOW_DAYS, today + 1)


def billed(found: Document) -> Document:
    """The pools that somebody bills, each with how many of its days were alarms."""
    alarms = Counter(row["pool"] for row in found["rows"] if row["standing"] == "alarm")
    worst = {row["pool"]: row["day"] for row in reversed(found["rows"]) if row["standing"] == "alarm"}
    pools = [
        {**one, "alarms": alarms[one["pool"]], "first_alarm": worst.get(one["pool"])}
        for one in found["pools"]
        if float(one["billed"])
    ]
    return {**found, "pools": pools}
