"""Charges of bills added up: rows of one day that agree in all but their amounts are one line, exactly."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import NamedTuple

EXACT = Context(prec=400, traps=[Inexact, InvalidOperation, Overflow])
"""Adds without rounding, or not at all."""
MOST_LINES = 5_000_000
MOST_BILLS = 500


class Period(NamedTuple):
    """One bill: what a provider asks of an account for the days from `first` until `end` (not included)."""

    provider: str
    account: str
    first: int
    end: int


class Key(NamedTuple):
    """What the rows of one line have in common. `day`: on which the charge began, in UTC."""

    day: int
    service: str
    resource: str
    sku: str
    region: str
    category: str
    pool: str
    unit: str


class Amounts(NamedTuple):
    """Of one row, or of many."""

    billed: Decimal
    effective: Decimal
    listed: Decimal
    quantity: Decimal


class Charge(NamedTuple):
    """One row of a bill."""

    period: Period
    currency: str
    key: Key
    amounts: Amounts


class Line:
    """Rows that agree, added up. `first`: the row of the file that the first of them ended in."""

    __slots__ = ("billed", "effective", "first", "listed", "quantity", "rows")

    def __init__(self, amounts: Amounts, first: int) -> None:
        self.billed, self.effective, self.listed, self.quantity = amounts
        self.rows, self.first = 1, first

    def add(self, amounts: Amounts) -> None:
        """One row more."""
        add = EXACT.add
        billed, effective, listed, quantity = amounts
        self.billed = add(self.billed, billed)
        self.effective = add(self.effective, effective)
        self.listed = add(self.listed, listed)
        self.quantity = add(self.quantity, quantity)
        self.rows += 1


Lines = dict[Key, Line]


class MixedCurrencies(Exception):
    """Amounts that cannot be added up, as text why."""


class Gathered:
    """All charges of one or more files. `currency` is the one that all are in, "" while there is none."""

    def __init__(self) -> None:
        self.currency = ""
        self.rows = 0
        self.lines = 0
        self.bills: dict[Period, Lines] = {}

    def add(self, charge: Charge, row: int) -> None:
        """One row. Raises MixedCurrencies for another currency than the others', ValueError for more than can be held."""
        period, currency, key, amounts = charge
        if currency != self.currency:
            if self.currency:
                raise MixedCurrencies(
                    f"{currency} after rows in {self.currency}; ingest one currency at a time"
                )
            self.currency = currency
        bill = self.bills.get(period)
        if bill is None:
            if len(self.bills) >= MOST_BILLS:
                raise ValueError(f"more than {MOST_BILLS} bills in one file; split it")
            bill = self.bills[period] = {}
        line = bill.get(key)
        if line is None:
            if self.lines >= MOST_LINES:
                raise ValueError(
                    f"more than {MOST_LINES:,} different lines; split the file by billing period"
                )
            bill[key] = Line(amounts, row)
            self.lines += 1
        else:
            line.add(amounts)
        self.rows += 1


def summed(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    found = Decimal()
    for amount in amounts:
        found = EXACT.add(found, amount)
    return found


def total(lines: Lines) -> Amounts:
    """The sum of all lines."""
    every = lines.values()
    return Amounts(
        summed(line.billed for line in every),
        summed(line.effective for line in every),
        summed(line.listed for line in every),
        summed(line.quantity for line in every),
    )
