"""Sponsored credits: what each paid, what was due in cash beside them, how long they last, what must move when."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from penstock.hub.context import Hub
from penstock.hub.costs.reading import OWN
from penstock.hub.costs.recent import Recent, recent
from penstock.hub.steps import look
from penstock.model.ledger import day_of
from penstock.model.rules import Grant, Pool, Rules
from penstock.model.units import decimal_text, seconds
from penstock.reports.costs import day_text
from penstock.reports.credit_plan import CASH, Move, Now, Place, Plan, Stretch, end_of, plan, with_moves
from penstock.reports.credits import Cost, Credit, Paid, costs_of, credits_of, settle
from penstock.reports.pace import WINDOW_DAYS, coming, mean, per_month
from penstock.reports.tco import rounded, slot_hour

Document = dict[str, Any]


class Told(NamedTuple):
    """What all answers are made from: where the plan begins, how costs were paid up to now, and what is known at all."""

    now: Now
    paid: Paid
    recent: Recent


def grants(hub: Hub, _: object = None) -> Document:
    """Each grant, what was paid by credits and in cash since the first of them began, and the plan from today on."""
    today = day_of(hub.clock.wall_ms())
    known = credits_of(hub.rules.grants, own_pools(hub.rules))
    begin = min([today - 2 * WINDOW_DAYS, *(one.first for one in known)])
    found = look(hub, lambda tx, farm: recent(hub, tx, farm, begin))
    spent, own = _divided(costs_of(found.tallies), known, own_pools(hub.rules))
    told = Told(_now(spent, known, found), settle(spent, known), found)
    stays, moved = plan(told.now), with_moves(told.now, _places(hub.rules.pools))
    return {
        "schema": 1,
        "today": day_text(today),
        "currency": hub.rules.currency,
        "entered_until_s": None if found.books is None else seconds(found.books.until_ms),
        "since": day_text(found.known_from(begin) or begin),
        "cost": decimal_text(sum(spent.values())),
        "credits": decimal_text(sum(told.paid.drawn.values())),
        "cash": decimal_text(sum(told.paid.cash.values())),
        "own": decimal_text(own),
        "rate_days": found.seen.days,
        "grants": [
            _line(one, grant, told, stays)
            for one in known
            for grant in hub.rules.grants
            if grant.name == one.name
        ],
        "plan": _plan_document(stays),
        "plan_with_moves": _plan_document(moved),
    }


def own_pools(rules: Rules) -> frozenset[str]:
    """Pools of machines that nobody bills."""
    return frozenset(pool.name for pool in rules.pools if pool.provider in OWN)


def _divided(
    costs: dict[Cost, int], known: Iterable[Credit], own: frozenset[str]
) -> tuple[dict[Cost, int], int]:
    """What somebody bills, and the sum of what owned machines cost that no credit pays for."""
    named = {pool for one in known for pool in one.pools}
    apart = own - named
    billed = {cost: amount for cost, amount in costs.items() if cost.pool not in apart}
    return billed, sum(amount for cost, amount in costs.items() if cost.pool in apart)


def _now(spent: dict[Cost, int], known: list[Credit], found: Recent) -> Now:
    """Where the plan begins: today counts as a whole, as it is expected."""
    today, amounts = found.today, _by_pool(spent)
    before = settle({cost: amount for cost, amount in spent.items() if cost.day < today}, known)
    expected = coming(amounts, found.seen, end_of(known, today))
    return Now(
        today=today,
        credits=tuple(known),
        left=before.left,
        days={pool: days[today - found.seen.end :] for pool, days in expected.items()},
    )


def _by_pool(spent: dict[Cost, int]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for cost, amount in spent.items():
        found.setdefault(cost.pool, {})[cost.day] = amount
    return found


def _places(pools: Iterable[Pool]) -> list[Place]:
    return [
        Place(
            pool=pool.name,
            platforms=frozenset(pool.platforms),
            trust=frozenset(pool.trust),
            slot_hour=slot_hour(pool),
        )
        for pool in pools
        if pool.provider not in OWN
    ]


def _line(one: Credit, grant: Grant, told: Told, stays: Plan) -> Document:
    left, unused = told.paid.left[one.name], stays.unused_micros.get(one.name)
    known_from, is_known = told.recent.known_from(one.first), one.last < stays.end
    return {
        "name": one.name,
        "currency": grant.currency,
        "from": grant.start,
        "until": grant.until,
        "pools": list(grant.pools),
        "state": _state(one, left, told.now.today),
        "amount": decimal_text(one.amount_micros),
        "used": decimal_text(told.paid.by_grant(one.name)),
        "left": decimal_text(left),
        "a_day": decimal_text(rounded(_a_day(one, told))),
        "used_up_on": _used_up_on(one, told, stays),
        "ends_unused": decimal_text(left if unused is None else unused) if is_known else None,
        "known_from": None if known_from is None else day_text(known_from),
    }


def _a_day(one: Credit, told: Told) -> Fraction:
    """What it paid a day, the mean of the last whole days of its own."""
    drawn = _by_pool({Cost(d.day, d.pool): n for d, n in told.paid.drawn.items() if d.grant == one.name})
    seen = told.recent.seen
    return mean(
        drawn, msgspec.structs.replace(seen, first=max(seen.first, one.first), pools=frozenset(drawn))
    )


def _used_up_on(one: Credit, told: Told, stays: Plan) -> str | None:
    """The last day that it paid, or will pay at the present rate; None: something is left at its end."""
    days = [draw.day for draw in told.paid.drawn if draw.grant == one.name]
    if told.paid.left[one.name]:
        days = [stretch.last for stretch in stays.stretches if stretch.payer == one.name]
    is_all = not told.paid.left[one.name] or stays.unused_micros.get(one.name) == 0
    return day_text(max(days)) if is_all and days else None


def _state(one: Credit, left_micros: int, today: int) -> str:
    if today > one.last:
        return "ended"
    if not left_micros:
        return "used up"
    return "coming" if today < one.first else "paying"


def _plan_document(found: Plan) -> Document:
    return {
        "until": day_text(found.end - 1),
        "cash": decimal_text(found.cash_micros),
        "moves": [_move(one) for one in found.moves],
        "stretches": [_stretch(one) for one in found.stretches],
    }


def _move(one: Move) -> Document:
    return {
        "on": day_text(one.on),
        "pool": one.pool,
        "to": one.to,
        "grant": one.grant,
        "price_ratio": round(float(one.ratio), 4),
    }


def _stretch(one: Stretch) -> Document:
    return {
        "pool": one.pool,
        "paid_by": None if one.payer == CASH else one.payer,
        "from": day_text(one.first),
        "until": None if one.is_open else day_text(one.last),
        "amount": decimal_text(one.amount_micros),
        "a_month": decimal_text(rounded(per_month(one.a_day))),
    }
