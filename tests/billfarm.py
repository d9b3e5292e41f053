"""Bills sent to a farm in memory, as `penstock costs ingest` does it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from farms import TestFarm

from penstock.bills.reading import Found
from penstock.cli.costs import ingesting
from penstock.model.ledger import Bill, BillLine
from penstock.web.costs import TELLS
from penstock.web.costs.asks import do


class Cut(Exception):
    """The connection is gone."""


class Calls:
    """A farm that takes calls, as far as `left` of them are not cut off before or (`late`) after they are done."""

    def __init__(self, farm: TestFarm, left: int = 10**9, late: bool = False) -> None:
        self.farm, self.left, self.late = farm, left, late

    def tell(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.left -= 1
        if self.left < 0 and not self.late:
            raise Cut
        answer = do(TELLS[what], self.farm.hub, dict(body), "ada")
        if self.left < 0:
            raise Cut
        return answer


def ingest(farm: TestFarm, what: Found, again: bool = False) -> str:
    return ingesting.keep(Calls(farm), what, again)  # type: ignore[arg-type]


def standing(farm: TestFarm) -> list[tuple[str, str, str, int]]:
    """What counts: account, sums, rows; each sum is that of its lines."""
    told = []
    for bill in farm.all(Bill):
        if bill.current:
            lines = [line for line in farm.all(BillLine) if line.bill == bill.id]
            assert sum(Decimal(line.billed) for line in lines) == Decimal(bill.billed)
            assert sum(Decimal(line.effective) for line in lines) == Decimal(bill.effective)
            assert (sum(line.rows for line in lines), len(lines)) == (bill.rows, bill.lines)
            assert bill.days_from == min(line.day for line in lines)
            assert bill.days_until == max(line.day for line in lines) + 1
            told.append((bill.account, bill.billed, bill.effective, bill.rows))
    return sorted(told)
