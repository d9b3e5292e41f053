"""What a bill is by its content, whose its lines are, and exact sums of amounts that are text.

Pure: hub/costs/bills.py keeps bills, hub/costs/reconciling.py holds them against the ledger.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from fnmatch import translate
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec

from penstock.model.ledger import Bill, BillLine
from penstock.model.rules import Billed

_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])


def amount_text(amount: Decimal) -> str:
    """An exact amount as a decimal string without a power of ten and without zeros at its end: 0E-11 -> "0"."""
    return format(_EXACT.normalize(amount), "f") if amount else "0"


def added(first: str, second: str) -> str:
    """The exact sum of two amounts as text."""
    return amount_text(_EXACT.add(Decimal(first), Decimal(second)))


def plus(first: Decimal, second: Decimal) -> Decimal:
    """The exact sum of two amounts."""
    return _EXACT.add(first, second)


def minus(first: Decimal, second: Decimal) -> Decimal:
    """The exact difference of two amounts."""
    return _EXACT.subtract(first, second)


def begun(bill: Bill) -> str:
    """The chain of a bill of which no line is there: what it is for, by its digest."""
    said = [bill.provider, bill.account, bill.first, bill.end, bill.currency]
    return sha256(msgspec.json.encode(said)).hexdigest()


def chained(chain: str, line: BillLine) -> str:
    """The chain after one line more."""
    return linked(chain, _said(line))


def linked(chain: str, said: tuple[Any, ...]) -> str:
    """As `chained`, of what a line says, in the order of SAID. Where in a file it began is not part of that."""
    return sha256(chain.encode() + _encode(said)).hexdigest()


def name_of(chain: str) -> str:
    """The id of a bill that has this chain with all its lines, in the order of their keys. Files that say the same are one
    bill, whatever they are called and however their rows are ordered."""
    return chain[:ID_LENGTH]


ID_LENGTH = 32
"""Hexadecimal digits: every line holds it, and nothing but a bill's content is told apart by it."""
SAID = (
    "day", "service", "resource", "sku", "region", "category", "pool", "unit",
    "billed", "effective", "listed", "quantity", "rows",
)  # fmt: skip
_said = attrgetter(*SAID)
_encode = msgspec.json.Encoder().encode


def grown(bill: Bill, lines: Sequence[BillLine]) -> Bill:
    """A bill with some more of its lines."""
    chain, billed, effective, rows = bill.chain, Decimal(bill.billed), Decimal(bill.effective), bill.rows
    for line in lines:
        chain = chained(chain, line)
        billed, effective = plus(billed, Decimal(line.billed)), plus(effective, Decimal(line.effective))
        rows += line.rows
    days = [line.day for line in lines] + ([bill.days_from, bill.days_until - 1] if bill.lines else [])
    return msgspec.structs.replace(
        bill,
        chain=chain,
        billed=amount_text(billed),
        effective=amount_text(effective),
        rows=rows,
        lines=bill.lines + len(lines),
        days_from=min(days, default=0),
        days_until=max(days, default=-1) + 1,
    )


def overlap(one: Bill, other: Bill) -> bool:
    """Whether two bills are of one account and share a day of their periods."""
    same = one.provider == other.provider and one.account == other.account
    return same and one.first < other.end and other.first < one.end


class Pools:
    """Finds the pool of a line: the one that its tag names, else the first of [[billed]] whose patterns all match.

    Patterns are those of a shell (* ? [..]), of the whole text, capitals and small letters as they are."""

    def __init__(self, billed: Iterable[Billed]) -> None:
        self._rules = [
            (rule.pool, [(name, re.compile(translate(said))) for name, said in rule.match.items()])
            for rule in billed
        ]
        self._known: dict[tuple[str, str, str, str], str] = {}

    def of(self, line: BillLine) -> str:
        """The pool, "" for a line that belongs to none."""
        if line.pool:
            return line.pool
        about = (line.service, line.resource, line.sku, line.region)
        if about not in self._known:
            self._known[about] = next((pool for pool, tests in self._rules if _match(line, tests)), "")
        return self._known[about]


def _match(line: BillLine, tests: Sequence[tuple[str, re.Pattern[str]]]) -> bool:
    return all(test.match(getattr(line, name)) for name, test in tests)
