"""How far the books are kept."""

from typing import Any

from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.model.ledger import Ledger
from penstock.model.units import seconds

Document = dict[str, Any]


def books(hub: Hub, _: object = None) -> Document:
    """From when, and until when, usage is entered; None where nothing is yet."""
    ledger = look(hub, lambda tx, farm: tx.get(Ledger, "ledger"))
    return {
        "schema": 1,
        "from_s": seconds(ledger.from_ms) if ledger else None,
        "until_s": seconds(ledger.until_ms) if ledger else None,
        "currency": hub.rules.currency,
    }
