"""What the page of all costs says of prices: owned beside rented, metered beside billed."""

from collections import Counter
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.reconciling import reconcile
from penstock.hub.costs.tco import tco
from penstock.web.costpages import drawn
from penstock.web.costpages.shelf import Shelf

Document = dict[str, Any]


def sides(hub: Hub, shelf: Shelf) -> Document:
    """Documents about prices, and their pictures."""
    owned = shelf.get("tco", lambda: tco(hub))
    return {
        "owned": owned,
        "use_picture": drawn.use(owned),
        "billed": billed(shelf.get("reconcile", lambda: reconcile(hub, ""))),
    }


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
