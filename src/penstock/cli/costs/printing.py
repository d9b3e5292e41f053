"""How figures of the ledger are printed."""

from datetime import UTC, datetime


def moment(at_s: float) -> str:
    """Seconds since 1970 as people write them, in UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")
