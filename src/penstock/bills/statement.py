"""A statement that a person wrote down, as the rows of a bill: what was used from one reading to the next.

A reading is the beginning of its day, so what it adds is entered on the day before. Totals count from 1 January, so years are
its billing periods.
"""

import hashlib
from datetime import date
from decimal import Decimal
from pathlib import Path

from penstock.bills.charges import EXACT, Amounts, Charge, Gathered, Key, Period
from penstock.bills.problems import BadBill
from penstock.model.statement import Reading, Statement

PROVIDER = "statement"
_EPOCH = date(1970, 1, 1).toordinal()
_NOTHING = Reading(date=date.min, total=Decimal())


def gathered(statement: Statement, account: str, file: str) -> Gathered:
    """The rows of a statement, added up. `account` tells it from others. Raises BadBill."""
    found = Gathered()
    before = _NOTHING
    for reading in statement.readings:
        day = reading.date.toordinal() - 1 - _EPOCH
        period = _year(account, day)
        if period not in found.bills:
            before = _NOTHING
        if reading.total < before.total:
            what = f"the total falls from {before.total} to {reading.total}; it is all that was used since 1 January"
            raise BadBill(f"{file}:{reading.line}", what)
        for resource, cost in _rises(before, reading).items():
            key = Key(day, "", resource, "", "", "Usage", "", "")
            amounts = Amounts(cost, cost, cost, Decimal())
            found.add(Charge(period, statement.currency, key, amounts), reading.line)
        before = Reading(
            date=reading.date, total=reading.total, resource={**before.resource, **reading.resource}
        )
    return found


def digest(path: Path) -> str:
    """Of the file as it is. Raises OSError."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _rises(before: Reading, after: Reading) -> dict[str, Decimal]:
    """By resource what was added between two readings; "" is what no resource is named for."""
    rises = {
        name: EXACT.subtract(cost, before.resource.get(name, Decimal()))
        for name, cost in after.resource.items()
    }
    rest = EXACT.subtract(after.total, before.total)
    for rise in rises.values():
        rest = EXACT.subtract(rest, rise)
    return {"": rest, **rises}


def _year(account: str, day: int) -> Period:
    year = date.fromordinal(day + _EPOCH).year
    first, end = date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()
    return Period(PROVIDER, account, first - _EPOCH, end - _EPOCH)
