"""The two real bills load whole: their totals are those of the raw columns."""

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from billfiles import CUR_SAMPLE, FOCUS_SAMPLE, raw_sum

from penstock.bills.charges import Gathered, summed, total
from penstock.bills.reading import read


def totals(gathered: Gathered) -> tuple[Decimal, Decimal]:
    sums = [total(lines) for lines in gathered.bills.values()]
    return summed(one.billed for one in sums), summed(one.effective for one in sums)


def test_a_real_focus_bill(shared_data: Path) -> None:
    file = shared_data / FOCUS_SAMPLE
    found = read([file])
    assert (found.gathered.rows, found.gathered.currency) == (1000, "USD")
    assert totals(found.gathered) == (raw_sum(file, "BilledCost"), raw_sum(file, "EffectiveCost"))
    assert totals(found.gathered)[0] == Decimal("20.52022672899")
    periods = [(one.provider, one.account, one.end - one.first) for one in sorted(found.gathered.bills)]
    assert periods == [
        ("AWS", "1234567890123", 30),
        ("Microsoft", "8611537", 30),
        ("Oracle", "20209880", 30),
        ("Oracle", "20209880", 31),
    ]


def test_a_real_report_of_amazon(shared_data: Path) -> None:
    file = shared_data / CUR_SAMPLE
    found = read([file])
    assert (found.gathered.rows, found.gathered.currency, found.form[:3]) == (1281, "USD", "AWS")
    cost = raw_sum(file, "lineItem/UnblendedCost")
    assert totals(found.gathered) == (cost, cost)
    assert cost == Decimal("1.68230869740")


@pytest.mark.parametrize(
    ("sample", "day", "key"),
    [
        (
            FOCUS_SAMPLE,
            "ChargePeriodStart",
            ("ServiceName", "ResourceId", "SkuId", "RegionId", "ChargeCategory", "ConsumedUnit"),
        ),
        (CUR_SAMPLE, "lineItem/UsageStartDate", ("product/ProductName", "product/sku", "pricing/unit")),
    ],
)
def test_rows_of_a_day_that_agree_are_one_line(
    shared_data: Path, sample: str, day: str, key: tuple[str, ...]
) -> None:
    with gzip.open(shared_data / sample, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    groups = {(row[day][:10], *(row[name] for name in key)) for row in rows}
    lines = [line for bill in read([shared_data / sample]).gathered.bills.values() for line in bill.values()]
    assert sum(line.rows for line in lines) == len(rows)
    assert len(groups) <= len(lines) <= len(rows)
    assert len({line.first for line in lines}) == len(lines)
