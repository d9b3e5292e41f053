"""What the page of one pool or one project shows."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from penstock.hub.context import Hub, NotFound
from penstock.hub.costs.daily import Asked, daily
from penstock.hub.costs.front import front
from penstock.web.costpages import drawn
from penstock.web.costpages.frontpage import accounts, last_days, rows
from penstock.web.costpages.shelf import Visit

Document = dict[str, Any]
NOBODY = "-"
"""How an address says "in no pool", "of no project": an empty part of a path is none."""


class Thing(NamedTuple):
    """A pool or a project, as its address names it."""

    kind: str
    name: str

    @property
    def said(self) -> str:
        """Its name in the ledger."""
        return "" if self.name == NOBODY else self.name

    def known(self, hub: Hub) -> bool:
        """Whether farm.toml names it, even if nothing was ever spent in it."""
        pools = {pool.name for pool in hub.rules.pools}
        return self.said in (pools if self.kind == "pool" else hub.rules.projects)

    @property
    def asked(self) -> Asked:
        """Which rows it has."""
        return Asked(pool=self.said) if self.kind == "pool" else Asked(project=self.said)


def values(hub: Hub, shelf: Visit, thing: Thing, days: int) -> Document:
    """Everything on the page of a pool or a project. Raises NotFound where nothing was spent in it lately."""
    key, range_ = f"{thing.kind} {thing.name}", last_days(hub, days)
    by_day = shelf.get(f"daily {key}", lambda: daily(hub, thing.asked))
    found = shelf.get(f"front {days} {key}", lambda: front(hub, range_, thing.asked))
    spent = found["tables"]["pool"] or any(float(day["total"]) for day in by_day["days"])
    if not spent and not thing.known(hub):
        raise NotFound(f"cost of {thing.kind}", thing.name)
    asked = urlencode({thing.kind: thing.name})
    beside = "project" if thing.kind == "pool" else "pool"
    return {
        "days": days,
        "thing": thing,
        "found": found,
        "currency": hub.rules.currency,
        "entered_until_s": by_day["entered_until_s"],
        "by_day": by_day,
        "accounts": accounts(found["total"]),
        "days_picture": drawn.days(
            by_day, f"What each day cost, {thing.kind} {thing.said or 'none'}", f"?{asked}"
        ),
        "about": f"&{asked}",
        "tables": [
            {"by": by, "rows": rows(found["tables"][by], by)}
            for by in (beside, "platform", "class", "outcome")
        ],
    }
