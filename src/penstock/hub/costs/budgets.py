"""How budgets stand: of money and of minutes, each in its month or year."""

from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.reading import Days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Ledger, Tally, day_of
from penstock.model.units import DAY_MS, seconds
from penstock.ports import Tx
from penstock.reports.budgets import Standing, period, standing
from penstock.reports.costs import day_text
from penstock.reports.pace import WINDOW_DAYS

Document = dict[str, Any]


def budgets(hub: Hub, _: object = None) -> Document:
    """Used, left, and until when that lasts, of each budget of farm.toml; up to the moment until which usage is entered."""
    known = hub.rules.budgets
    today = day_of(hub.clock.wall_ms())
    begin = min([today - WINDOW_DAYS, *(period(budget.per, today).first for budget in known)])

    def read(tx: Tx, farm: Farm) -> tuple[Ledger | None, list[Tally]]:
        return tx.get(Ledger, "ledger"), reading.tallies(tx, Days(begin, today + 1))

    ledger, found = look(hub, read)
    whole = first_whole_day(ledger, today)
    return {
        "schema": 1,
        "today": day_text(today),
        "currency": hub.rules.currency,
        "entered_until_s": None if ledger is None else seconds(ledger.until_ms),
        "rate_days": max(0, min(WINDOW_DAYS, today - whole)),
        "budgets": [_line(standing(budget, found, whole, today), ledger) for budget in known],
    }


def first_whole_day(ledger: Ledger | None, today: int) -> int:
    """The first day of which all is entered; today, where nothing is."""
    return today if ledger is None else -(-ledger.from_ms // DAY_MS)


def _line(now: Standing, ledger: Ledger | None) -> Document:
    budget, books = now.budget, None if ledger is None else day_of(ledger.from_ms)
    return {
        "name": budget.name,
        "unit": budget.unit,
        "per": budget.per,
        "pools": list(budget.pools),
        "period": now.period.name,
        "from": day_text(now.period.first),
        "until": day_text(now.period.end - 1),
        "amount": f"{budget.amount:f}",
        "used": f"{now.used:f}",
        "left": f"{now.left:f}",
        "share": float(now.used / budget.amount),
        "a_day": f"{now.a_day:f}",
        "used_up_on": None if now.used_up_on is None else day_text(now.used_up_on),
        "known_from": None if books is None or books <= now.period.first else day_text(books),
    }
