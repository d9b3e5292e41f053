"""Values as bills write them, made into ours. What is no such value raises ValueError, which says why."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from penstock.bills.problems import BadRow, quoted

T = TypeVar("T")
NOTHING = frozenset(("", "NULL", "null", "N/A"))
"""How exports write that there is nothing."""
MOST_TEXT = 2048
"""Characters of one name: the longest resource ids of the large clouds are shorter."""
MOST_KEPT = 50_000
"""Values of one column that are remembered; then it is begun anew, so that memory does not grow with the file."""
POOL_TAGS = ("penstock-pool", "user:penstock-pool", "user_penstock_pool", "penstock_pool")
"""What the tag with the name of a pool may be called: Amazon's reports put "user:" before it, or write it in snake case."""
_AMOUNT = re.compile(r"[+-]?(?:\d{1,24}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(2000, 2100)
_MS_PER_DAY_SECOND = 1000


class Column(dict[str, T]):
    """The values of one column by their text: each is made and checked once. Raises BadRow that names the column."""

    def __init__(self, name: str, made: Callable[[str], T]) -> None:
        super().__init__()
        self._name, self._made = name, made

    def __missing__(self, text: str) -> T:
        try:
            value = self._made(text)
        except ValueError as why:
            raise BadRow(self._name, str(why)) from None
        if len(self) >= MOST_KEPT:
            self.clear()
        self[text] = value
        return value


def amount(text: str) -> Decimal:
    """An exact amount; negative ones are credits and corrections. Raises ValueError for nothing, nan and infinity, too."""
    found = text.strip()
    if found in NOTHING:
        raise ValueError("is empty; write an amount such as 12.50")
    if not _AMOUNT.fullmatch(found):
        raise ValueError(f"{quoted(text)} is not an amount such as 12.50")
    return Decimal(found)


def amount_or_none(text: str) -> Decimal:
    """As `amount`; zero where there is nothing."""
    return Decimal() if text.strip() in NOTHING else amount(text)


def name(text: str) -> str:
    """A name, "" where there is nothing."""
    if text in NOTHING:
        return ""
    if len(text) > MOST_TEXT:
        raise ValueError(f"has {len(text)} characters; {MOST_TEXT} at most")
    return text


def needed(text: str) -> str:
    """A name that must be there."""
    found = name(text)
    if not found:
        raise ValueError("is empty")
    return found


def currency(text: str) -> str:
    """A currency by its ISO 4217 code."""
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a currency such as USD")
    return text


def moment_ms(text: str) -> int:
    """A moment in ISO 8601, without a zone in UTC, as milliseconds since 1970."""
    try:
        found = datetime.fromisoformat(text)
        since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(text)} is not a moment such as 2024-09-01T00:00:00Z") from None
    if found.year not in _YEARS:
        raise ValueError(f"{quoted(text)} is not between the years 2000 and 2099")
    return (since.days * 86_400 + since.seconds) * _MS_PER_DAY_SECOND + since.microseconds // 1000


def azure_date_ms(text: str) -> int:
    """As `moment_ms`; also month/day/year, which Azure's exports write for some agreements."""
    american = _AMERICAN.fullmatch(text)
    if not american:
        return moment_ms(text)
    month, day, year = american.groups()
    return moment_ms(f"{year}-{month:0>2}-{day:0>2}")


def pool(tags: str) -> str:
    """The pool that tags name: a JSON object, also without its braces, as some of Azure's exports write it. Else ""."""
    if "penstock" not in tags:
        return ""  # nearly all rows: nothing is parsed
    try:
        found = msgspec.json.decode(tags if tags.lstrip().startswith("{") else f"{{{tags}}}")
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    named = next((found[tag] for tag in POOL_TAGS if isinstance(found.get(tag), str)), "")
    return named if len(named) <= MOST_TEXT else ""
