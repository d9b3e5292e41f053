"""Azure's cost details, as exports of Cost Management and the Cost Details API write them, for Enterprise Agreements and
Microsoft Customer Agreements: the same columns in other cases.

Actual and amortised cost are two exports with the same columns: in the first a reservation costs once and its use nothing, in the
second its use does and what is unused. Of one export both are taken from its cost; with both, what is billed is the
actual one's, what it costs in effect the amortised one's.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from penstock.bills.charges import EXACT, Amounts, Charge, Key
from penstock.bills.focus import account
from penstock.bills.table import Days, Form, Header, Read, Row
from penstock.bills.values import (
    Column,
    amount,
    amount_or_none,
    azure_date_ms,
    currency,
    moment_ms,
    name,
    pool,
)
from penstock.model.units import DAY_MS

CATEGORIES = {
    "purchase": "Purchase",
    "refund": "Adjustment",
    "roundingadjustment": "Adjustment",
    "tax": "Tax",
}
"""Charge types as FOCUS's charge categories; all others, unused reservations among them, are usage."""
NEEDS = ("CostInBillingCurrency", "Date", "ChargeType", "MeterCategory", "Quantity")
BEGINS, ENDS = "BillingPeriodStartDate", "BillingPeriodEndDate"
_ZERO = Decimal()


def read(header: Header) -> Read:
    """How rows of a file with this header are read."""
    names: dict[str, Callable[[str], Any]] = {
        header.first("BillingAccountId", "SubscriptionId"): account,
        header.first("BillingCurrency", "BillingCurrencyCode"): currency,
        "Date": azure_date_ms,
        BEGINS: _date_or_none,
        ENDS: _date_or_none,
        "MeterCategory": name,
        header.first("ResourceId", "InstanceId", "InstanceName"): name,
        header.first("MeterId", "MeterName"): name,
        "ResourceLocation": name,
        "ChargeType": name,
        "Tags": pool,
        "UnitOfMeasure": name,
        "CostInBillingCurrency": amount,
        "Quantity": amount_or_none,
        "PayGPrice": amount_or_none,
    }
    pick = header.picking(*names)
    columns = [Column(column, made) for column, made in names.items()]
    billing = Days((BEGINS, ENDS))

    def charge(row: Row) -> Charge:
        (
            account, money, date_ms, first, last, service, resource, sku, region, kind, tagged, unit, cost, quantity, price,
        ) = [column[text] for column, text in zip(columns, pick(row), strict=True)]  # fmt: skip
        if first is None or last is None:
            first, end = _month(date_ms)
        else:
            end = last + DAY_MS  # the last day is one of the period
        category = CATEGORIES.get(kind.casefold(), "Usage")
        return Charge(
            billing.period("Microsoft", account, first, end),
            money,
            Key(date_ms // DAY_MS, service, resource, sku, region, category, tagged, unit),
            Amounts(cost, cost, EXACT.multiply(price, quantity), quantity),
        )

    return charge


def only_billed(charge: Charge) -> Charge:
    """A row of an actual export beside which there is an amortised one."""
    return charge._replace(amounts=charge.amounts._replace(effective=_ZERO))


def only_effective(charge: Charge) -> Charge:
    """A row of an amortised export beside which there is an actual one."""
    return charge._replace(amounts=Amounts(_ZERO, charge.amounts.effective, _ZERO, _ZERO))


def _date_or_none(text: str) -> int | None:
    return azure_date_ms(text) if text else None


def _month(date_ms: int) -> tuple[int, int]:
    """The calendar month of a moment, as its first moment and the first one after it."""
    found = datetime.fromtimestamp(date_ms // 1000, UTC)
    after = (found.year + 1, 1) if found.month == 12 else (found.year, found.month + 1)
    return moment_ms(f"{found.year}-{found.month:02}-01"), moment_ms(f"{after[0]}-{after[1]:02}-01")


AZURE = Form("Azure cost details (CostInBillingCurrency)", NEEDS, "BillingCurrency", read)
