"""AWS Cost and Usage Reports, with the headers of the first reports ("lineItem/UnblendedCost") and of version 2.0
("line_item_unblended_cost").

What is billed is the unblended cost of every row, so that its sum is the invoice: a usage that a savings plan covers is listed at
its price and taken back by a "SavingsPlanNegation" row. What it costs in effect spreads what was committed over what used it:
the terms of the sum are those of Amazon's own query library (Well-Architected Labs, "amortized cost").
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from penstock.bills.charges import EXACT, Amounts, Charge, Key
from penstock.bills.table import Days, Form, Header, Read, Row
from penstock.bills.values import (
    POOL_TAGS,
    Column,
    amount,
    amount_or_none,
    currency,
    moment_ms,
    name,
    needed,
    pool,
)

NEEDS = (
    "bill/PayerAccountId",
    "bill/BillingPeriodStartDate",
    "bill/BillingPeriodEndDate",
    "lineItem/LineItemType",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
    "lineItem/CurrencyCode",
    "lineItem/UnblendedCost",
)
CATEGORIES = {
    "Tax": "Tax",
    "Credit": "Credit",
    "Refund": "Adjustment",
    "BundledDiscount": "Credit",
    "EdpDiscount": "Credit",
    "PrivateRateDiscount": "Credit",
    "SppDiscount": "Credit",
    "Discount": "Credit",
    "Fee": "Purchase",
    "RIFee": "Purchase",
    "SavingsPlanUpfrontFee": "Purchase",
    "SavingsPlanRecurringFee": "Purchase",
}
"""Line item types as FOCUS's charge categories; all others are usage."""
MONEY = (
    "lineItem/NetUnblendedCost",
    "pricing/publicOnDemandCost",
    "lineItem/UsageAmount",
    "reservation/EffectiveCost",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
    "reservation/UnusedRecurringFee",
    "savingsPlan/SavingsPlanEffectiveCost",
    "savingsPlan/TotalCommitmentToDate",
    "savingsPlan/UsedCommitment",
)
"""What may be empty, or not be there."""
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
Spell = Callable[[str], str]


def snake(name: str) -> str:
    """A column of the first reports as version 2.0 writes it; each capital of ARN is a word of its own there."""
    table, _, column = name.partition("/")
    return "_".join(_WORDS.sub("_", part).lower() for part in (table, column.replace("ARN", "A_R_N")))


def reading(spell: Spell) -> Callable[[Header], Read]:
    """How rows are read whose columns are spelt so."""

    def read(header: Header) -> Read:
        names = _names(header, spell)
        pick = header.picking(*names)
        columns = [Column(column, made) for column, made in names.items()]
        billing = Days((spell("bill/BillingPeriodStartDate"), spell("bill/BillingPeriodEndDate")))
        used = Days((spell("lineItem/UsageStartDate"), spell("lineItem/UsageEndDate")))
        net = header.has(spell("lineItem/NetUnblendedCost"))

        def charge(row: Row) -> Charge:
            (
                account, first, end, kind, start, until, money, unblended, service, resource, sku, region, unit, reserved,
                tagged, *rest,
            ) = [column[text] for column, text in zip(columns, pick(row), strict=True)]  # fmt: skip
            netted, listed, quantity, *commitment = rest
            billed = netted if net else unblended
            category = CATEGORIES.get(kind, "Usage")
            return Charge(
                billing.period("AWS", account, first, end),
                money,
                Key(used.day(start, until), service, resource, sku, region, category, tagged, unit),
                Amounts(billed, effective(kind, billed, reserved, commitment), listed, quantity),
            )

        return charge

    return read


def _names(header: Header, spell: Spell) -> dict[str, Callable[[str], Any]]:
    """Which columns are read, in order, and how."""
    tag = header.first(*(f"resourceTags/{tag}" for tag in POOL_TAGS), "resource_tags")
    return {
        spell("bill/PayerAccountId"): needed,
        spell("bill/BillingPeriodStartDate"): moment_ms,
        spell("bill/BillingPeriodEndDate"): moment_ms,
        spell("lineItem/LineItemType"): needed,
        spell("lineItem/UsageStartDate"): moment_ms,
        spell("lineItem/UsageEndDate"): moment_ms,
        spell("lineItem/CurrencyCode"): currency,
        spell("lineItem/UnblendedCost"): amount,
        header.first(spell("product/ProductName"), spell("lineItem/ProductCode")): name,
        spell("lineItem/ResourceId"): name,
        header.first(spell("product/sku"), spell("lineItem/UsageType")): name,
        header.first(spell("product/regionCode"), spell("product/region")): name,
        spell("pricing/unit"): name,
        spell("reservation/ReservationARN"): name,
        tag: pool if tag == "resource_tags" else name,
        **{spell(column): amount_or_none for column in MONEY},
    }


def effective(kind: str, billed: Decimal, reservation: str, commitment: list[Decimal]) -> Decimal:
    """What a row costs when commitments are spread over what uses them; `commitment` as the last six of MONEY."""
    reserved, unused_upfront, unused_recurring, planned, committed, used = commitment
    if kind == "DiscountedUsage":
        return reserved
    if kind == "RIFee":
        return EXACT.add(unused_upfront, unused_recurring)
    if kind == "SavingsPlanCoveredUsage":
        return planned
    if kind == "SavingsPlanRecurringFee":
        return EXACT.subtract(committed, used)
    if kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee") or (kind == "Fee" and reservation):
        return Decimal()
    return billed


CUR = Form("AWS Cost and Usage Report (lineItem/... columns)", NEEDS, "lineItem/CurrencyCode", reading(str))
CUR_2 = Form(
    "AWS CUR 2.0 (line_item_... columns)", tuple(map(snake, NEEDS)), "line_item_currency_code", reading(snake)
)
