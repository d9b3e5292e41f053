"""What a day cost and how things stand, for the letter of the morning: from the answers to other questions."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.budgets import budgets
from penstock.hub.costs.forecast import forecast
from penstock.hub.costs.grants import grants
from penstock.hub.costs.guards import guards
from penstock.hub.costs.ranges import FIRST
from penstock.hub.costs.reading import Days
from penstock.hub.costs.reconciling import reconcile
from penstock.hub.costs.waste import movers, waste
from penstock.hub.steps import look
from penstock.model.ledger import Ledger, day_of
from penstock.model.states import GuardState
from penstock.model.units import DAY_MS, decimal_text, seconds
from penstock.ports import Tx
from penstock.reports.bills import amount_text
from penstock.reports.costs import day_text
from penstock.reports.digest import WEEKS, usual_micros

Document = dict[str, Any]
Daily = dict[str, dict[int, int]]
MOVERS = 5
WINDOW_DAYS = 28
NO_BOOKS = "anything: nothing is entered yet; a hub or `penstock build` keeps the books while it runs"
NOT_WHOLE = "all of the day: it is not entered to its end yet"
NO_WEEKS = "what is usual for a weekday: the books are too young"


def digest(hub: Hub, day: int | None = None) -> Document:
    """Of a day, by default the last one that has ended. Credits, budgets, guards, bills and forecast are as of now."""
    ledger = look(hub, lambda tx, farm: tx.get(Ledger, "ledger"))
    last = max(FIRST, day_of(hub.clock.wall_ms()) - 1 if day is None else day)
    known = day_of(ledger.from_ms - 1) + 1 if ledger else last + 1
    return {
        "schema": 1,
        "farm": hub.rules.name,
        "currency": hub.rules.currency,
        "day": day_text(last),
        "entered_until_s": seconds(ledger.until_ms) if ledger else None,
        **_spent(hub, last, known),
        "movers": _movers(hub, last) if last - 7 >= max(known, FIRST) else [],
        "waste": waste(hub, Days(last, last + 1))["waste"],
        "credits": [one for one in grants(hub)["grants"] if one["state"] != "ended"],
        "budgets": budgets(hub)["budgets"],
        "forecast": _forecast(hub),
        "guards": [one for one in map(_guard, guards(hub)["guards"]) if one["state"] != GuardState.STANDBY],
        "bills": _bills(hub),
        "missing": _missing(ledger, last, known),
    }


def _spent(hub: Hub, day: int, known: int) -> Document:
    daily = look(hub, lambda tx, farm: _daily(tx, day))
    whole: dict[int, int] = defaultdict(int)
    for days in daily.values():
        for at, amount in days.items():
            whole[at] += amount
    pools = [{"pool": pool, **_beside(days, day, known)} for pool, days in sorted(daily.items())]
    # What neither cost anything nor usually does says nothing.
    shown = [one for one in pools if Decimal(one["spent"]) or Decimal(one["usual"])]
    return {
        **_beside(whole, day, known),
        "pools": sorted(shown, key=lambda one: -Decimal(one["spent"])),
    }


def _daily(tx: Tx, day: int) -> Daily:
    """By pool and day: this one, and the same weekday of the weeks before."""
    daily: Daily = defaultdict(lambda: defaultdict(int))
    for at in range(day - 7 * WEEKS, day + 1, 7):
        for tally in reading.tallies(tx, Days(at, at + 1)):
            daily[tally.pool][at] += tally.amount_micros
    return daily


def _beside(days: dict[int, int], day: int, known: int) -> Document:
    usual, weeks = usual_micros(days, day, known)
    return {"spent": decimal_text(days.get(day, 0)), "usual": decimal_text(usual), "weeks": weeks}


def _movers(hub: Hub, day: int) -> list[Document]:
    before = Days(day - 7, day - 6)
    found = movers(hub, Days(day, day + 1), before, ("pool", "project"), MOVERS)["movers"]
    return [
        {**one["of"], **{name: one[name] for name in ("before", "now", "change", "cause")}} for one in found
    ]


def _forecast(hub: Hub) -> Document | None:
    found = forecast(hub, WINDOW_DAYS)
    names = ("rate_per_day", "window_days", "data_through", "this_year", "next_year")
    return {name: found[name] for name in names} if found["rate_per_day"] is not None else None


def _guard(line: Document) -> Document:
    return {name: line[name] for name in ("name", "state", "reason", "next")}


def _bills(hub: Hub) -> Document | None:
    """The month of the newest bill: what was billed, and what was metered in the same pools; None without a bill."""
    found = reconcile(hub, "")
    if not found["bills"]:
        return None
    billed, metered, residual = (
        sum((Decimal(one[name]) for one in found["pools"]), Decimal())
        for name in ("billed", "metered", "residual")
    )
    return {
        "month": found["month"],
        "billed": amount_text(billed),
        "metered": amount_text(metered),
        "residual": amount_text(residual),
        "alarms": found["alarms"],
    }


def _missing(ledger: Ledger | None, day: int, known: int) -> list[str]:
    if ledger is None:
        return [NO_BOOKS]
    found = [] if ledger.until_ms >= (day + 1) * DAY_MS else [NOT_WHOLE]
    return found + ([NO_WEEKS] if day - 7 < known else [])
