"""Bills by their content, pools of their lines, exact sums of text."""

from decimal import Decimal, Inexact

import msgspec
import pytest

from penstock.model.ledger import Bill, BillLine
from penstock.model.rules import Billed
from penstock.reports.bills import (
    Pools,
    added,
    amount_text,
    begun,
    chained,
    grown,
    minus,
    name_of,
    overlap,
    plus,
)

BILL = Bill(
    id="b", provider="AWS", account="a", first=10, end=40, form="f", currency="USD", billed="0", effective="0",
    rows=0, file="x.csv", digest="d", taken_ms=0,
)  # fmt: skip
BILL = msgspec.structs.replace(BILL, chain=begun(BILL))
ONE = BillLine(bill="b", day=12, service="EC2", billed="0.1", effective="0.05", rows=3)
TWO = BillLine(bill="b", day=45, service="S3", billed="-0.0000004", effective="1", line=9)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0E-11", "0"),
        ("-0.0", "0"),
        ("1E+3", "1000"),
        ("4.0E-7", "0.0000004"),
        ("20.5200", "20.52"),
        ("-1.50", "-1.5"),
    ],
)
def test_an_amount_is_written_one_way(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


def test_sums_are_exact_or_fail() -> None:
    assert added("0.1", "0.2") == "0.3"
    assert plus(Decimal("1E+90"), Decimal("1E-90")) != Decimal("1E+90")
    assert minus(Decimal("1E+90"), Decimal("1E-90")) != Decimal("1E+90")
    with pytest.raises(Inexact):
        plus(Decimal("1E+300"), Decimal("1E-300"))


def test_a_bill_grows_by_its_lines() -> None:
    at_once, by_parts = grown(BILL, [ONE, TWO]), grown(grown(BILL, [ONE]), [TWO])
    assert at_once == by_parts == grown(at_once, [])
    assert (at_once.billed, at_once.effective, at_once.rows, at_once.lines) == ("0.0999996", "1.05", 4, 2)
    assert (at_once.days_from, at_once.days_until) == (12, 46)
    assert grown(BILL, []) == BILL


def test_a_bill_is_named_by_what_it_says() -> None:
    name = chained(begun(BILL), ONE)
    assert (len(name), name_of(name)) == (64, name[:32])
    elsewhere = msgspec.structs.replace(ONE, bill="c", line=7, seq=3, version=2)
    assert chained(begun(BILL), elsewhere) == name
    assert begun(msgspec.structs.replace(BILL, file="y.csv", digest="e")) == begun(BILL)
    for field, other in [("day", 13), ("billed", "0.2"), ("rows", 4), ("pool", "p"), ("unit", "h")]:
        assert chained(begun(BILL), msgspec.structs.replace(ONE, **{field: other})) != name
    for field, other in [("provider", "x"), ("account", "x"), ("first", 1), ("end", 9), ("currency", "EUR")]:
        assert begun(msgspec.structs.replace(BILL, **{field: other})) != begun(BILL)


@pytest.mark.parametrize(
    ("changes", "crossing"),
    [
        ({}, True),
        ({"first": 39, "end": 60}, True),
        ({"first": 40, "end": 60}, False),
        ({"first": 1, "end": 10}, False),
        ({"account": "b"}, False),
        ({"provider": "x"}, False),
    ],
)
def test_periods_cross_where_they_share_a_day(changes: dict[str, object], crossing: bool) -> None:
    assert overlap(BILL, msgspec.structs.replace(BILL, **changes)) is crossing


def line(service: str = "", resource: str = "", sku: str = "", region: str = "", pool: str = "") -> BillLine:
    return BillLine(bill="b", day=1, service=service, resource=resource, sku=sku, region=region, pool=pool)


def test_a_lines_pool_is_its_tags_then_the_first_that_matches() -> None:
    pools = Pools(
        [
            Billed(pool="one", match={"service": "EC2", "region": "eu-*"}),
            Billed(pool="two", match={"service": "EC[12]"}),
            Billed(pool="disks", match={"resource": "*vol-?\\*"}),
            Billed(pool="never", match={"sku": "[z-a]"}),
        ]
    )
    assert pools.of(line("EC2", region="eu-west", pool="tagged")) == "tagged"
    assert pools.of(line("EC2", region="eu-west")) == "one"
    assert pools.of(line("EC2", region="us")) == pools.of(line("EC2", region="us")) == "two"
    assert pools.of(line("EC3")) == pools.of(line("ec2")) == pools.of(line("EC2 and more")) == ""
    assert pools.of(line(resource="a/vol-1\\\nx")) == "disks"
    assert Pools([]).of(line("EC2")) == ""
    assert Pools([Billed(pool="all")]).of(line()) == "all"
