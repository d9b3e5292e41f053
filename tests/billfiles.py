"""Bills made up for tests, and the two real ones."""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path

FOCUS_SAMPLE, CUR_SAMPLE = "billing/focus_1.0_sample.csv.gz", "billing/aws_cur_anonymous_sample.csv.gz"
FOCUS = {
    "BilledCost": "1.5",
    "BillingAccountId": "a1",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2024-10-01T00:00:00Z",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargePeriodEnd": "2024-09-03T01:00:00Z",
    "ChargePeriodStart": "2024-09-03T00:00:00Z",
    "EffectiveCost": "1.25",
    "ProviderName": "AWS",
    "ServiceName": "EC2",
    "ResourceId": "i-1",
    "SkuId": "sku",
    "RegionId": "eu",
    "Tags": "",
    "ConsumedQuantity": "1",
    "ConsumedUnit": "Hours",
    "ListCost": "2",
}
"""A row of FOCUS 1.2 with the columns that are read."""


def table(rows: Iterable[Mapping[str, str]]) -> str:
    """Rows as CSV, with the columns of the first."""
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def focus(*changes: Mapping[str, str]) -> str:
    """FOCUS rows that differ from FOCUS in these columns."""
    return table({**FOCUS, **change} for change in changes)


def raw_sum(file: Path, column: str | Callable[[dict[str, str]], str]) -> Decimal:
    """The exact sum of a column, by nothing but the csv module."""
    with gzip.open(file, "rt", newline="") as text:
        pick = column if callable(column) else lambda row: row[column]
        return sum((Decimal(pick(row)) for row in csv.DictReader(text)), Decimal())
