"""What a form is: columns that tell it from others, and how one row becomes a charge."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from penstock.bills.charges import Charge, Period
from penstock.bills.problems import BadRow
from penstock.model.units import DAY_MS

Row = list[str]
Read = Callable[[Row], Charge]


class Form(msgspec.Struct, frozen=True):
    """`name` for people; a file is of this form when its header has all of `needs`. `read` is made for one header.

    `currency`: the column that says what amounts are in."""

    name: str
    needs: tuple[str, ...]
    currency: str
    read: Callable[["Header"], Read]


class Header:
    """The columns of one file by name, in another case where no name fits as it is. What is not there is read as ""."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [name.strip() for name in names]
        self._folded = {name.casefold(): at for at, name in enumerate(self._names)}
        self._exact = {name: at for at, name in enumerate(self._names)}

    def has(self, *names: str) -> bool:
        """Whether there is each of these columns."""
        return all(name in self._exact or name.casefold() in self._folded for name in names)

    def first(self, *names: str) -> str:
        """The first of these columns that is there; the last one where none is."""
        return next((name for name in names if self.has(name)), names[-1])

    def twice(self, *names: str) -> str:
        """One of these columns that is there more than once, or ""."""
        return next((name for name in names if self._names.count(name) > 1), "")

    def picking(self, *names: str) -> Callable[[Row], Any]:
        """Takes the values of these columns, in this order, out of a row that has one empty field more than the header."""
        return itemgetter(*map(self._at, names))

    def _at(self, name: str) -> int:
        return self._exact.get(name, self._folded.get(name.casefold(), len(self._names)))


class Days:
    """From when until when, as days, out of two columns. Raises BadRow for an end before its beginning."""

    def __init__(self, columns: tuple[str, str]) -> None:
        self._columns = columns

    def period(self, provider: str, account: str, first_ms: int, end_ms: int) -> Period:
        """A billing period; one that ends within a day ends with it."""
        if end_ms <= first_ms:
            raise BadRow(self._columns[1], f"the period ends before it begins ({self._columns[0]})")
        return Period(provider, account, first_ms // DAY_MS, -(-end_ms // DAY_MS))

    def day(self, start_ms: int, end_ms: int) -> int:
        """The day on which a charge begins."""
        if end_ms < start_ms:
            raise BadRow(self._columns[1], f"the charge ends before it begins ({self._columns[0]})")
        return start_ms // DAY_MS
