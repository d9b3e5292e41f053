"""Money is conserved: whatever the order of rows, files, repeats and restatements, what counts is what the files say."""

import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from billfarm import ingest, standing
from billfiles import focus
from farms import TestFarm
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bills.charges import total
from penstock.bills.reading import Found, read

AMOUNTS = st.decimals(min_value=-(10**6), max_value=10**6, places=11, allow_nan=False, allow_infinity=False)
PLACES = st.tuples(st.sampled_from(["a1", "a2"]), st.sampled_from(["2024-08", "2024-09"]), st.integers(1, 28))


class Row(NamedTuple):
    place: tuple[str, str, int]
    resource: str
    billed: Decimal
    effective: Decimal

    @property
    def bill(self) -> tuple[str, str]:
        return self.place[:2]

    def changes(self) -> dict[str, str]:
        (account, month, day), after = self.place, {"2024-08": "2024-09", "2024-09": "2024-10"}
        return {
            "BillingAccountId": account,
            "BillingPeriodStart": f"{month}-01",
            "BillingPeriodEnd": f"{after[month]}-01",
            "ChargePeriodStart": f"{month}-{day:02}",
            "ChargePeriodEnd": f"{month}-{day + 1:02}",
            "ResourceId": self.resource,
            "BilledCost": str(self.billed),
            "EffectiveCost": str(self.effective),
        }


ROWS = st.lists(
    st.builds(Row, PLACES, st.sampled_from(["", "i-1", "i-2"]), AMOUNTS, AMOUNTS), min_size=1, max_size=12
)


def written(folder: Path, rows: list[Row]) -> Found:
    file = folder / "bill.csv"
    file.write_text(focus(*(row.changes() for row in rows)))
    return read([file])


@given(ROWS, st.randoms())
def test_lines_sum_up_to_rows_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("sums")
    one = written(folder, rows).gathered
    other = written(folder, chance.sample(rows, len(rows))).gathered
    assert one.bills.keys() == other.bills.keys()
    for period, lines in one.bills.items():
        assert total(lines) == total(other.bills[period])
        mine = [row for row in rows if row.bill[0] == period.account and row.place[1] == month(period.first)]
        assert total(lines)[:2] == (sum(row.billed for row in mine), sum(row.effective for row in mine))
        assert sum(line.rows for line in lines.values()) == len(mine)


def month(first: int) -> str:
    return "2024-08" if first == 19936 else "2024-09"


FILES = st.lists(ROWS, min_size=1, max_size=4)


@settings(max_examples=40)
@given(FILES, st.lists(st.integers(0, 3), min_size=1, max_size=10), st.randoms())
def test_what_counts_is_the_last_new_bill_of_each_period(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[Row]],
    order: list[int],
    chance: random.Random,
) -> None:
    """Repeats change nothing, wherever they come; bills of other periods do not matter, in whatever order."""
    folder = tmp_path_factory.mktemp("bills")
    farm, expected, seen = TestFarm(), {}, defaultdict(set)
    for number in order:
        rows = files[number % len(files)]
        ingest(farm, written(folder, chance.sample(rows, len(rows))))
        for bill in {row.bill for row in rows}:
            mine = [row for row in rows if row.bill == bill]
            said = content(mine)
            if said not in seen[bill]:
                expected[bill] = (
                    sum(row.billed for row in mine),
                    sum(row.effective for row in mine),
                    len(mine),
                )
            seen[bill].add(said)
    found = [
        (account, Decimal(billed), Decimal(effective), rows)
        for account, billed, effective, rows in standing(farm)
    ]
    assert sorted(found) == sorted((bill[0], *sums) for bill, sums in expected.items())


def content(rows: list[Row]) -> frozenset[object]:
    """What rows say: their sums by day and resource."""
    sums: dict[tuple[object, ...], list[Decimal | int]] = defaultdict(lambda: [Decimal(), Decimal(), 0])
    for row in rows:
        line = sums[row.place, row.resource]
        line[0] += row.billed
        line[1] += row.effective
        line[2] += 1
    return frozenset((key, *line) for key, line in sums.items())


@settings(max_examples=25)
@given(ROWS, st.permutations(range(4)))
def test_periods_in_any_order_end_in_the_same_totals(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("orders")
    bills = [[row for row in rows if row.bill == bill] for bill in sorted({row.bill for row in rows})]
    together, apart = TestFarm(), TestFarm()
    ingest(together, written(folder, rows))
    for number in order:
        if number < len(bills):
            ingest(apart, written(folder, bills[number]))
            ingest(apart, written(folder, bills[number]))
    assert standing(together) == standing(apart)
