"""Sponsored credits: what each paid, what was due in cash beside them, how long they last, what must move when."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from penstock.hub.context import Hub
from penstock.hub.costs import reading
from penstock.hub.costs.budgets import first_whole_day
from penstock.hub.costs.reading import OWN, Days
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.ledger import Ledger, Tally, day_of
from penstock.model.rules import Grant, Pool, Rules
from penstock.model.units import decimal_text, seconds
from penstock.ports import Tx
from penstock.reports.costs import day_text
from penstock.reports.credit_plan import CASH, Move, Now, Place, Plan, Stretch, plan, with_moves
from penstock.reports.credits import Cost, Credit, Paid, costs_of, credits_of, settle
from penstock.reports.pace import WINDOW_DAYS, pace, per_month
from penstock.reports.tco import rounded, slot_hour

Document = dict[str, Any]


class Told(NamedTuple):
    """What all answers are made from: how costs were paid, and what a pool that credits may pay for costs a day."""

    now: Now
    paid: Paid
    whole: int
    books: Ledger | None


def grants(hub: Hub, _: object = None) -> Document:
    """Each grant, what was paid by credits and in cash since the first of them began, and the plan from today on."""
    today = day_of(hub.clock.wall_ms())
    known = credits_of(hub.rules.grants, own_pools(hub.rules))
    begin = min([today - WINDOW_DAYS, *(one.first for one in known)])

    def read(tx: Tx, farm: Farm) -> tuple[Ledger | None, list[Tally]]:
        return tx.get(Ledger, "ledger"), reading.tallies(tx, Days(begin, today + 1))

    ledger, found = look(hub, read)
    spent, own = _divided(costs_of(found), known, own_pools(hub.rules))
    told = _told(spent, known, ledger, today)
    stays, moved = plan(told.now), with_moves(told.now, _places(hub.rules.pools))
    return {
        "schema": 1,
        "today": day_text(today),
        "currency": hub.rules.currency,
        "entered_until_s": None if ledger is None else seconds(ledger.until_ms),
        "since": day_text(begin),
        "cost": decimal_text(sum(spent.values())),
        "credits": decimal_text(sum(told.paid.drawn.values())),
        "cash": decimal_text(sum(told.paid.cash.values())),
        "own": decimal_text(own),
        "rate_days": max(0, min(WINDOW_DAYS, today - told.whole)),
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


def _told(spent: dict[Cost, int], known: list[Credit], ledger: Ledger | None, today: int) -> Told:
    whole = first_whole_day(ledger, today)
    before = settle({cost: amount for cost, amount in spent.items() if cost.day < today}, known)
    rates = {
        pool: pace({cost.day: n for cost, n in spent.items() if cost.pool == pool}, whole, today)
        for pool in sorted({cost.pool for cost in spent})
    }
    now = Now(
        today=today,
        credits=tuple(known),
        left=before.left,
        a_day={pool: rate for pool, rate in rates.items() if rate > 0},
    )
    return Told(now, settle(spent, known), whole, ledger)


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
    drawn = {draw.day: 0 for draw in told.paid.drawn}
    for draw, amount in told.paid.drawn.items():
        drawn[draw.day] += amount if draw.grant == one.name else 0
    left, unused = told.paid.left[one.name], stays.unused_micros.get(one.name)
    is_known = one.last < stays.end
    rate = pace(drawn, max(told.whole, one.first), told.now.today)
    books = None if told.books is None else day_of(told.books.from_ms)
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
        "a_day": decimal_text(rounded(rate)),
        "used_up_on": _used_up_on(one, told, stays),
        "ends_unused": decimal_text(left if unused is None else unused) if is_known else None,
        "known_from": None if books is None or books <= one.first else day_text(books),
    }


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
