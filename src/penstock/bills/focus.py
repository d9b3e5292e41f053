"""FOCUS, the FinOps Open Cost and Usage Specification: 1.0, 1.1 and 1.2 as CSV. The columns read here are the same in all three.

Source: the specification's repository, tags v1.0 to v1.2. Ends are exclusive, moments are UTC, absent is null, which
exports of databases write as NULL.
"""

from collections.abc import Callable
from typing import Any

from penstock.bills.charges import Amounts, Charge, Key
from penstock.bills.table import Days, Form, Header, Read, Row
from penstock.bills.values import Column, amount, amount_or_none, currency, moment_ms, name, needed, pool

NEEDS = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "EffectiveCost",
    "ProviderName",
    "ServiceName",
)
"""Of what the specification makes mandatory, what is used here."""
AZURE_ACCOUNT = "/providers/Microsoft.Billing/billingAccounts/"
"""Azure's FOCUS exports write accounts as resources, its cost details without that."""


def account(text: str) -> str:
    """A billing account, the same whichever export names it."""
    return needed(text).removeprefix(AZURE_ACCOUNT)


def read(header: Header) -> Read:
    """How rows of a file with this header are read."""
    quantity_name = header.first("ConsumedQuantity", "PricingQuantity")
    unit_name = "ConsumedUnit" if quantity_name == "ConsumedQuantity" else "PricingUnit"
    names: dict[str, Callable[[str], Any]] = {
        "ProviderName": needed,
        "BillingAccountId": account,
        "BillingPeriodStart": moment_ms,
        "BillingPeriodEnd": moment_ms,
        "BillingCurrency": currency,
        "ChargePeriodStart": moment_ms,
        "ChargePeriodEnd": moment_ms,
        "ServiceName": name,
        "ResourceId": name,
        "SkuId": name,
        "RegionId": name,
        "ChargeCategory": needed,
        "Tags": pool,
        unit_name: name,
        "BilledCost": amount,
        "EffectiveCost": amount,
        "ListCost": amount_or_none,
        quantity_name: amount_or_none,
    }
    pick = header.picking(*names)
    columns = [Column(column, made) for column, made in names.items()]
    billing, charged = (
        Days(("BillingPeriodStart", "BillingPeriodEnd")),
        Days(("ChargePeriodStart", "ChargePeriodEnd")),
    )

    def charge(row: Row) -> Charge:
        (
            provider, account, first, end, money, start, until, service, resource, sku, region, category, tagged, unit,
            billed, effective, listed, quantity,
        ) = [column[text] for column, text in zip(columns, pick(row), strict=True)]  # fmt: skip
        return Charge(
            billing.period(provider, account, first, end),
            money,
            Key(charged.day(start, until), service, resource, sku, region, category, tagged, unit),
            Amounts(billed, effective, listed, quantity),
        )

    return charge


FOCUS = Form("FOCUS 1.0 to 1.2 as CSV", NEEDS, "BillingCurrency", read)
