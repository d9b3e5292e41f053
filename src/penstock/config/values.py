"""How single values are read: text, numbers, prices, durations, choices. Each returns a `Read` or is one."""

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from penstock.config.items import Desk, Item, Read, Refused, near, shown
from penstock.model.units import Size, micros

LARGEST = Decimal(10) ** 12
"""No number in a file is larger: beyond it lie slips of the keyboard, not farms."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
UNITS_MS = (86_400_000, 3_600_000, 60_000, 1000)
FIXED = "PREFIX DESTDIR CORES PLATFORM PATH TMPDIR TZ LC_ALL HOME SOURCE_DATE_EPOCH".split()
"""Variables that the farm sets itself, the same for every job."""


def text(desk: Desk, item: Item, where: str) -> str:
    """Text that is not empty, without control characters."""
    value = item.value
    if not isinstance(value, str):
        raise Refused(f"{where} is {shown(value)}", "write text in quotes")
    if not value.strip():
        raise Refused(f"{where} is empty", "write text, or leave it out")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        raise Refused(f"{where} holds a control character", "write it without")
    return value


def name(desk: Desk, item: Item, where: str) -> str:
    """A name that can stand in an address: letters, digits and . _ + - after the first."""
    value = text(desk, item, where)
    if not NAME.fullmatch(value):
        raise Refused(
            f"{where} is {shown(value)}",
            "write at most 100 letters, digits, . _ + -, a letter or digit first",
        )
    return value


def label(desk: Desk, item: Item, where: str) -> str:
    """A name as other systems give them: any printable text of at most 200 characters, no space at its ends."""
    value = text(desk, item, where)
    if value != value.strip() or len(value) > 200 or not value.isprintable():
        raise Refused(
            f"{where} is {shown(value)}", "write at most 200 printable characters, no space at the ends"
        )
    return value


def choice(*known: str) -> Read:
    """One of the words `known`."""

    def read(desk: Desk, item: Item, where: str) -> str:
        if not isinstance(item.value, str) or item.value not in known:
            raise Refused(f"{where} is {shown(item.value)}", near(str(item.value), known))
        return item.value

    return read


def flag(desk: Desk, item: Item, where: str) -> bool:
    """Yes or no."""
    if not isinstance(item.value, bool):
        raise Refused(f"{where} is {shown(item.value)}", "write true or false")
    return item.value


def number(item: Item, where: str) -> Decimal:
    """A finite number that is not negative, exact."""
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refused(f"{where} is {shown(value)}", "write a number")
    exact = Decimal(value)
    if not exact.is_finite() or exact > LARGEST:
        raise Refused(f"{where} is {shown(value)}", "write a number of at most 1e12")
    if exact < 0:
        raise Refused(f"{where} is {shown(value)}", "write 0 or more")
    return exact


def count(least: int = 0) -> Read:
    """A whole number, at least `least`."""

    def read(desk: Desk, item: Item, where: str) -> int:
        exact = number(item, where)
        if exact != exact.to_integral_value() or exact < least:
            raise Refused(f"{where} is {shown(item.value)}", f"write a whole number, {least} or more")
        return int(exact)

    return read


def positive(desk: Desk, item: Item, where: str) -> float:
    """A number above 0."""
    value = number(item, where)
    if value == 0:
        raise Refused(f"{where} is 0", "write a number above 0")
    return float(value)


def rate(desk: Desk, item: Item, where: str) -> float:
    """A number, 0 or more."""
    return float(number(item, where))


def price(desk: Desk, item: Item, where: str) -> int:
    """An amount of money in micro-units, rounded half up to the sixth decimal."""
    return micros(number(item, where))


def amount(desk: Desk, item: Item, where: str) -> Decimal:
    """An amount of money as it is written."""
    return number(item, where)


def currency(desk: Desk, item: Item, where: str) -> str:
    """A currency by its three capitals."""
    value = text(desk, item, where)
    if not re.fullmatch("[A-Z]{3}", value):
        raise Refused(f"{where} is {shown(value)}", "write three capitals, such as USD")
    return value


def seconds(desk: Desk, item: Item, where: str) -> int:
    """A number of seconds as milliseconds, rounded half up."""
    if isinstance(item.value, str):
        raise Refused(f"{where} is {shown(item.value)}", "write a number of seconds, without quotes")
    return int((number(item, where) * 1000).to_integral_value(ROUND_HALF_UP))


def some_seconds(desk: Desk, item: Item, where: str) -> int:
    """A number of seconds above 0 as milliseconds."""
    value = seconds(desk, item, where)
    if value == 0:
        raise Refused(f"{where} is {shown(item.value)}", "write at least 0.001")
    return value


def duration(desk: Desk, item: Item, where: str) -> int:
    """A length of time with units, "1d", "48h", "1h30m", "90s", as milliseconds; above 0."""
    found = DURATION.fullmatch(item.value) if isinstance(item.value, str) else None
    given = [int(part or 0) for part in found.groups()] if found and len(item.value) < 40 else []
    total_ms = sum(part * unit for part, unit in zip(given, UNITS_MS, strict=False))
    if not 0 < total_ms <= LARGEST:
        raise Refused(
            f"{where} is {shown(item.value)}", 'write a duration such as "90s", "30m", "1h30m" or "2d"'
        )
    return total_ms


def date(desk: Desk, item: Item, where: str) -> str:
    """A day, as ISO text."""
    value = item.value
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    try:
        return datetime.date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise Refused(f"{where} is {shown(value)}", "write a date such as 2023-12-31") from None


def environment(desk: Desk, item: Item, where: str) -> dict[str, str]:
    """Variables and their text. Those that the farm fixes for every job are refused."""
    if not isinstance(item.value, dict):
        raise Refused(f"{where} is {shown(item.value)}", 'write a table such as { CC = "gcc" }')
    for key, value in item.value.items():
        if not VARIABLE.fullmatch(key):
            desk.wrong(value.line, f"{where} has {shown(key)}", "write a name of letters, digits and _")
        elif key in FIXED:
            desk.wrong(value.line, f"{where} sets {key}, which is the same for every job", "leave it out")
        elif not isinstance(value.value, str) or "\0" in value.value:
            desk.wrong(value.line, f"{key} in {where} is {shown(value.value)}", "write text in quotes")
    return {key: value.value for key, value in item.value.items()}


def size(cores: Any = None, memory_mb: Any = None, default: Size | None = None) -> Size:
    """A size from what was written of it; the rest from `default`."""
    start = default or Size()
    return Size(cores or start.cores, memory_mb if memory_mb is not None else start.memory_mb)
