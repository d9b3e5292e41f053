"""How figures of the ledger are printed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def moment(at_s: float) -> str:
    """Seconds since 1970 as people write them, in UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


def paced(document: Mapping[str, Any]) -> str:
    """By which days the rates of an answer are."""
    days = document["rate_days"]
    return f"rates are the mean of the last {days} whole days" if days else "no whole day is known yet"


def cents(amount: str) -> str:
    """Money of a document in a sentence: two places are enough there."""
    return f"{Decimal(amount):.2f}"


def entered(document: Mapping[str, Any]) -> str:
    """Until when usage is entered, as answers about costs say it."""
    until = document["entered_until_s"]
    return "nothing is entered yet" if until is None else f"entered until {moment(until)} UTC"
