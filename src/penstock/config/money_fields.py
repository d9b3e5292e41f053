"""The settings of farm.toml that are about money: what owned machines cost, charges, credits, budgets, guards, bills.

How each is read and what it is for; defaults are those of the records in model/rules.
"""

import re
from decimal import ROUND_HALF_UP, Decimal

from penstock.config.items import Desk, Field, Fields, Item, Refused, each, read_table, record, shown
from penstock.config.values import (
    LARGEST,
    amount,
    choice,
    count,
    currency,
    date,
    duration,
    label,
    name,
    number,
    price,
    text,
)
from penstock.model.rules import Billed, Budget, Charge, Grant, Guard, Tco
from penstock.policy.planning import CLASSES
from penstock.reports.tco import hourly_micros

LIMIT = re.compile(r"(forecast|actual)\s*>\s*\d{1,4}(\.\d{1,6})?\s*%")
ACT = re.compile(r"notify:\S+|cap:[^=\s]+=\d{1,9}|drain:\S+|class_off:\S+|throttled|owned_only|frozen")
ACTS = '"notify:WHOM", "cap:POOL=N", "class_off:CLASS", "throttled", "drain:POOL", "owned_only" or "frozen"'
PPM = 1_000_000


def _limit(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not LIMIT.fullmatch(value):
        raise Refused(f"{where} is {shown(value)}", 'write it as in "forecast > 95%" or "actual > 90%"')
    return value


def _act(desk: Desk, item: Item, where: str) -> str:
    value = text(desk, item, where)
    if not ACT.fullmatch(value):
        raise Refused(f"{where} is {shown(value)}", "write " + ACTS)
    return value


def _whole(exact: Decimal) -> int:
    return int(exact.to_integral_value(ROUND_HALF_UP))


def _share(desk: Desk, item: Item, where: str) -> int:
    """A share from 0 to 1, in millionths."""
    exact = number(item, where)
    if exact > 1:
        raise Refused(f"{where} is {shown(item.value)}", "write a share from 0 to 1, such as 0.05 for 5 %")
    return _whole(exact * PPM)


def _factor(desk: Desk, item: Item, where: str) -> int:
    """A number, in millionths."""
    return _whole(number(item, where) * PPM)


def _pue(desk: Desk, item: Item, where: str) -> int:
    """What a data centre draws for each part that the machine draws, in millionths; 1 or more."""
    exact = number(item, where)
    if exact < 1:
        raise Refused(f"{where} is {shown(item.value)}", "write 1 or more; 1 = nothing is added for cooling")
    return _whole(exact * PPM)


def _kilowatts(desk: Desk, item: Item, where: str) -> int:
    """Kilowatts as watts."""
    return _whole(number(item, where) * 1000)


def _hours(desk: Desk, item: Item, where: str) -> int:
    """Hours as minutes."""
    return _whole(number(item, where) * 60)


def _some(desk: Desk, item: Item, where: str) -> Decimal:
    """An amount above 0."""
    exact = amount(desk, item, where)
    if exact == 0:
        raise Refused(f"{where} is 0", "write an amount above 0")
    return exact


def _patterns(desk: Desk, item: Item, where: str) -> dict[str, str]:
    found: dict[str, str] = read_table(desk, item, where, BILLED_MATCH)
    if not item.value:
        raise Refused(f"{where} is empty, which is every line of every bill", "name at least a service")
    return found


CLASS = each(choice(*CLASSES), "a list of classes")
NAMES = each(text, "a list of names in quotes")

TCO: Fields = {
    "purchase": Field(
        read=price, into="purchase_micros", required=True, about="what one machine was bought for"
    ),
    "residual": Field(
        read=_share, into="residual_ppm", about="share of that which it is sold for at the end"
    ),
    "life_years": Field(read=count(1), about="years until it is replaced"),
    "kw": Field(
        read=_kilowatts,
        into="watts",
        about="kilowatts that it draws on average, measured; kept to the watt; 0 where colocation includes power",
    ),
    "pue": Field(
        read=_pue, into="pue_ppm", about="what the data centre draws for each kilowatt of the machine"
    ),
    "kwh_price": Field(read=price, into="kwh_price_micros", about="price of one kilowatt-hour"),
    "colo_per_month": Field(
        read=price, into="colo_per_month_micros", about="its part of rack, room and reserved power in a month"
    ),
    "staff_hours_per_month": Field(
        read=_hours,
        into="staff_minutes_per_month",
        about="hours that people work on it in a month; kept to the minute",
    ),
    "staff_per_hour": Field(read=price, into="staff_per_hour_micros", about="what such an hour costs"),
    "spares": Field(
        read=_share, into="spares_ppm", about="share of the purchase that parts and support cost in a year"
    ),
    "network_per_month": Field(
        read=price, into="network_per_month_micros", about="its part of the network in a month"
    ),
}
STORAGE: Fields = {
    "price_per_gb_month": Field(
        read=price,
        into="storage_per_gb_month_micros",
        about="what keeping a GB (10^9 bytes) of outputs for a month costs",
    ),
}
CHARGE: Fields = {
    "name": Field(read=label, required=True, about="what is paid for"),
    "per_month": Field(read=price, into="per_month_micros", required=True, about="what it costs in a month"),
    "pool": Field(read=name, about="the pool that it is paid for, such as the control plane of a cluster"),
}
GRANT: Fields = {
    "name": Field(read=label, required=True, about="what the credit is called; no budget is called so, too"),
    "amount": Field(read=amount, required=True, about="how much it is"),
    "currency": Field(read=currency, required=True, about="its currency, three capitals"),
    "from": Field(read=date, into="start", required=True, about="its first day"),
    "until": Field(read=date, required=True, about="its last day"),
    "pools": Field(read=NAMES, about="the pools that it pays for; none named = all that are rented"),
}
BUDGET: Fields = {
    "name": Field(read=label, required=True, about="what the limit is called; no grant is called so, too"),
    "amount": Field(read=_some, required=True, about="how much is agreed"),
    "unit": Field(
        read=choice("money", "minutes"),
        about='"money" in the farm\'s currency, or "minutes" that slots are held, as of shared machines',
    ),
    "per": Field(read=choice("month", "year"), about='for a "month" or a "year" of the calendar (UTC)'),
    "pools": Field(read=NAMES, about="the pools that it is about; none named = all"),
    "factor": Field(
        read=_factor,
        into="factor_ppm",
        about="what one minute counts, where a provider's minutes are not all alike",
    ),
}
BILLED_MATCH: Fields = {
    "service": Field(read=text, about="the service's name on the bill, * stands for anything"),
    "resource": Field(read=text, about="the resource's id, * stands for anything"),
    "sku": Field(read=text, about="what was bought, * stands for anything"),
    "region": Field(read=text, about="the region, * stands for anything"),
}
BILLED: Fields = {
    "pool": Field(read=name, required=True, about="the pool that such lines are for; first match wins"),
    "match": Field(
        read=_patterns,
        inner=BILLED_MATCH,
        required=True,
        about="what a line of a bill must be, all of it",
    ),
}
GUARD: Fields = {
    "name": Field(
        read=label, about='what it is called; without one it is "guard-1" by its place among the guards'
    ),
    "when": Field(
        read=_limit, required=True, about='the limit, "forecast > 95%" or "actual > 90%" of what is agreed'
    ),
    "budget": Field(
        read=label,
        about="the grant or budget that it watches; none named = each grant and each budget of money, and the worst counts",
    ),
    "for": Field(
        read=duration, into="hold_ms", required=True, about='how long it must be crossed, such as "48h"'
    ),
    "cooldown": Field(
        read=duration, into="cooldown_ms", about="how long it must not be crossed until all is as before"
    ),
    "approval": Field(
        read=choice("auto", "manual"), about='"auto", or "manual": a person says yes before anything happens'
    ),
    "then": Field(
        read=each(_act, "a list of acts", empty=False),
        required=True,
        about="what happens: notify:WHOM, cap:POOL=N, class_off:CLASS, throttled (no new rented machines), drain:POOL, owned_only, frozen",
    ),
    "exempt": Field(read=CLASS, about="classes of jobs that it spares"),
}


def _all_included(desk: Desk, item: Item, where: str) -> Tco | None:
    """What an owned machine costs, with an hour of it still a price; None when it has mistakes."""
    tco: Tco | None = record(Tco, TCO)(desk, item, where)
    if tco and hourly_micros(tco) > LARGEST * PPM:
        raise Refused(
            f"{where} comes to {hourly_micros(tco) // PPM} an hour", "look for a slip of the keyboard"
        )
    return tco


TCO_RECORD = _all_included
CHARGE_RECORD = record(Charge, CHARGE)
GRANT_RECORD = record(Grant, GRANT)
BUDGET_RECORD = record(Budget, BUDGET)
BILLED_RECORD = record(Billed, BILLED)
GUARD_RECORD = record(Guard, GUARD)
