"""How budgets stand: of money and of minutes, each in its month or year."""

from typing import Any

from penstock.hub.context import Hub
from penstock.hub.costs.recent import Recent, recent
from penstock.hub.steps import look
from penstock.model.ledger import day_of
from penstock.model.units import seconds
from penstock.reports.budgets import Standing, period, standing
from penstock.reports.costs import day_text
from penstock.reports.pace import WINDOW_DAYS

Document = dict[str, Any]


def budgets(hub: Hub, _: object = None) -> Document:
    """Used up to now, left, and until when that lasts, of each budget of farm.toml."""
    known = hub.rules.budgets
    today = day_of(hub.clock.wall_ms())
    first = min([today - 2 * WINDOW_DAYS, *(period(budget.per, today).first for budget in known)])
    found = look(hub, lambda tx, farm: recent(hub, tx, farm, first))
    return {
        "schema": 1,
        "today": day_text(found.today),
        "currency": hub.rules.currency,
        "entered_until_s": None if found.books is None else seconds(found.books.until_ms),
        "rate_days": found.seen.days,
        "budgets": [
            _line(standing(budget, found.tallies, found.seen, found.today), found) for budget in known
        ],
    }


def _line(now: Standing, found: Recent) -> Document:
    budget, known_from = now.budget, found.known_from(now.period.first)
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
        "known_from": None if known_from is None else day_text(known_from),
    }
