"""The ledger as FOCUS rows: sums are those of the ledger, and what the specification demands of a row holds."""

import json
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from penstock.model.ledger import Account, Tally
from penstock.model.rules import Pool, Tco
from penstock.model.units import DAY_MS, decimal_text
from penstock.reports import focus
from penstock.reports.focus import Books, Credit, Row

DAY = int(datetime.fromisoformat("2026-10-31T00:00:00+00:00").timestamp()) * 1000 // DAY_MS
POOLS = (
    Pool(name="rack", provider="owned", platforms=(), tco=Tco(purchase_micros=12_000_000_000)),
    Pool(name="desk", provider="local", platforms=()),
    Pool(name="burst", provider="ec2", platforms=(), reclaim_per_hour=0.02),
    Pool(name="pods", provider="kubernetes", platforms=()),
    Pool(name="host", provider="libvirt", platforms=()),
)
BOOKS = Books(
    farm="lighthouse",
    currency="EUR",
    pools={pool.name: pool for pool in POOLS},
    own=frozenset({"rack", "desk"}),
)

NULLABLE_TOGETHER = (
    ("ConsumedQuantity", "ConsumedUnit"),
    ("PricingQuantity", "PricingUnit"),
    ("ResourceId", "ResourceName", "ResourceType"),
    ("SubAccountId", "SubAccountName", "SubAccountType"),
)
MANDATORY = """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart
    ChargeCategory ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost
    InvoiceIssuerName ListCost ProviderName PublisherName ServiceCategory ServiceName ServiceSubcategory""".split()

ALLOWED = {
    ("Compute", "Virtual Machines"),
    ("Compute", "Containers"),
    ("Compute", "Other (Compute)"),
    ("Management and Governance", "Other (Management and Governance)"),
    ("Storage", "Object Storage"),
    ("Networking", "Network Connectivity"),
}
"""Of the specification's categories and their subcategories those that we use."""


def tally(account: str, amount: int, pool: str = "", quantity: int = 0, **about: object) -> Tally:
    values = {"day": DAY, "project": "", "platform": "", "klass": "", "outcome": "", "count": 1}
    return Tally(
        account=Account(account), amount_micros=amount, pool=pool, quantity=quantity, **(values | about)  # type: ignore[arg-type]
    )  # fmt: skip


def one(made: Tally | Credit) -> Row:
    usage, paid = ([made], []) if isinstance(made, Tally) else ([], [made])
    (row,) = focus.rows(usage, paid, BOOKS)
    return row


def test_all_columns_of_the_specification_come_first_and_in_its_order() -> None:
    assert len(focus.COLUMNS) == len(set(focus.COLUMNS)) == 57
    assert list(focus.COLUMNS) == sorted(focus.COLUMNS)
    assert all(name.startswith("x_") for name in focus.OUR_COLUMNS)


def test_a_line_has_every_column_and_null_is_empty() -> None:
    row = one(tally("overhead", 1))
    line = dict(zip((*focus.COLUMNS, *focus.OUR_COLUMNS), focus.line(row), strict=True))
    assert {name: value for name, value in line.items() if value} == row
    assert line["InvoiceId"] == line["ResourceId"] == line["Tags"] == ""


def test_what_attempts_held_of_a_rented_machine() -> None:
    row = one(
        tally("direct", 1_234_567, "burst", 5_400_001, project="core", platform="gcc", klass="change",
              outcome="PASSED", count=3)
    )  # fmt: skip
    assert row["BilledCost"] == row["EffectiveCost"] == row["ListCost"] == row["ContractedCost"] == "1.234567"
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("5400.001", "Slot-Seconds")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("1.500000", "Slot-Hours")
    assert row["ProviderName"] == row["InvoiceIssuerName"] == row["PublisherName"] == "AWS"
    assert (row["PricingCategory"], row["ChargeFrequency"]) == ("Dynamic", "Usage-Based")
    assert (row["SubAccountId"], row["ResourceId"]) == ("core", "lighthouse/burst")
    assert json.loads(row["Tags"]) == {
        "penstock-class": "change", "penstock-platform": "gcc", "penstock-pool": "burst", "penstock-project": "core",
    }  # fmt: skip
    assert (row["x_Outcome"], row["x_Entries"], "x_TcoModelId" in row) == ("PASSED", "3", False)


def test_our_own_machines_cost_and_are_not_billed() -> None:
    row = one(tally("idle", 5_000_000, "rack", DAY_MS))
    assert row["BilledCost"] == row["ListCost"] == row["ContractedCost"] == "0"
    assert (row["EffectiveCost"], row["ChargeFrequency"]) == ("5.000000", "Recurring")
    assert (row["x_TcoModelId"], row["ProviderName"]) == ("straight-line", "lighthouse")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("24.000000", "Hours")
    assert "x_TcoModelId" not in one(tally("idle", 1, "desk"))
    charged = one(tally("overhead", 7, "rack"))
    assert (charged["BilledCost"], charged["EffectiveCost"], "x_TcoModelId" in charged) == (
        "0",
        "0.000007",
        False,
    )


def test_services_are_sorted_as_the_specification_sorts_them() -> None:
    pools = {
        pool: one(tally("idle", 1, pool))["ServiceSubcategory"] for pool in ("rack", "burst", "pods", "gone")
    }
    assert pools == {
        "rack": "Other (Compute)", "burst": "Virtual Machines", "pods": "Containers", "gone": "Virtual Machines",
    }  # fmt: skip
    assert one(tally("storage", 1, quantity=1_500_000_000))["PricingQuantity"] == "1.500000000"
    assert one(tally("storage", 1))["PricingUnit"] == "GB-Days"
    assert one(tally("egress", 1, "burst"))["ServiceCategory"] == "Networking"
    assert (one(tally("overhead", 1, count=2))["PricingQuantity"]) == "2"
    assert one(tally("idle", 1, "burst", -1500))["ConsumedQuantity"] == "-1.500"


def test_a_credit_is_a_row_of_its_own() -> None:
    row = one(Credit(day=DAY, grant="aws-2026", pool="burst", amount_micros=250_000))
    assert (
        row["BilledCost"] == row["EffectiveCost"] == row["ListCost"] == row["ContractedCost"] == "-0.250000"
    )
    assert (row["ChargeCategory"], row["ChargeFrequency"], row["x_Grant"]) == (
        "Credit",
        "One-Time",
        "aws-2026",
    )
    assert "ConsumedQuantity" not in row
    assert row["ProviderName"] == "AWS"


def test_periods_end_where_the_next_begins() -> None:
    october, december = one(tally("idle", 1)), one(tally("idle", 1, day=DAY + 61))
    assert (october["ChargePeriodStart"], october["ChargePeriodEnd"]) == (
        "2026-10-31T00:00:00Z", "2026-11-01T00:00:00Z",
    )  # fmt: skip
    assert (october["BillingPeriodStart"], october["BillingPeriodEnd"]) == (
        "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
    )  # fmt: skip
    assert december["BillingPeriodEnd"] == "2027-01-01T00:00:00Z"


NAMES = st.sampled_from(["", "core", "gui"])
TALLIES = st.lists(
    st.builds(
        Tally,
        day=st.integers(DAY - 40, DAY + 40),
        project=NAMES,
        platform=st.sampled_from(["", "gcc"]),
        pool=st.sampled_from(["", "gone", *BOOKS.pools]),
        klass=st.sampled_from(["", "change"]),
        account=st.sampled_from(list(Account)),
        outcome=st.sampled_from(["", "PASSED", "LOST"]),
        amount_micros=st.integers(-5, 10**13),
        quantity=st.integers(0, 10**15),
        count=st.integers(1, 9),
    ),
    max_size=12,
    unique_by=lambda t: (t.day, t.project, t.platform, t.pool, t.klass, t.account, t.outcome),
)
CREDITS = st.lists(
    st.builds(
        Credit,
        day=st.integers(DAY - 40, DAY + 40),
        grant=st.sampled_from(["aws", "azure"]),
        pool=st.sampled_from(["burst", "pods"]),
        amount_micros=st.integers(1, 10**12),
    ),
    max_size=4,
    unique_by=lambda c: (c.day, c.grant, c.pool),
)


@given(TALLIES, CREDITS, st.randoms())
def test_sums_are_those_of_the_ledger_and_order_does_not_matter(tallies, paid, chance) -> None:  # type: ignore[no-untyped-def]
    rows = focus.rows(tallies, paid, BOOKS)
    sums = focus.totals(rows)
    ours = [t for t in tallies if t.pool in ("rack", "desk")]
    whole = sum(t.amount_micros for t in tallies)
    assert sums["used"] == Decimal(decimal_text(whole))
    assert sums["billed"] == Decimal(decimal_text(whole - sum(t.amount_micros for t in ours)))
    assert sums["credits"] == -Decimal(decimal_text(sum(c.amount_micros for c in paid)))
    chance.shuffle(tallies)
    chance.shuffle(paid)
    assert focus.rows(tallies, paid, BOOKS) == rows


@given(TALLIES, CREDITS)
def test_what_the_specification_demands_of_every_row(tallies, paid) -> None:  # type: ignore[no-untyped-def]
    """FOCUS 1.2: the conditions on single rows that can hold for us, as the specification words them."""
    categories: dict[str, set[tuple[str, str]]] = {}
    for row in focus.rows(tallies, paid, BOOKS):
        assert [name for name in MANDATORY if not row.get(name)] == []
        assert set(row) <= {*focus.COLUMNS, *focus.OUR_COLUMNS}
        for together in NULLABLE_TOGETHER:
            assert len({name in row for name in together}) == 1, together
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"]
        assert row["ProviderName"] == row["InvoiceIssuerName"]  # else BilledCost MUST be 0
        assert row["ListCost"] == row["ContractedCost"] == row["BilledCost"]  # no unit prices are given
        assert ("ConsumedQuantity" in row) == (row["ChargeCategory"] == "Usage")
        assert ("PricingCategory" in row) == (row["ChargeCategory"] == "Usage")
        if row["ChargeCategory"] == "Credit":
            assert row["EffectiveCost"] == row["BilledCost"]
        for name, value in row.items():
            assert value.strip() == value != "", name
            if name.endswith(("Cost", "Quantity")):
                Decimal(value)
        assert row["ChargeCategory"] in ("Usage", "Credit")
        assert row["ChargeFrequency"] in ("One-Time", "Recurring", "Usage-Based")
        assert row.get("PricingCategory", "Standard") in ("Standard", "Dynamic")
        service = (row["ServiceCategory"], row["ServiceSubcategory"])
        assert service in ALLOWED
        categories.setdefault(row["ServiceName"], set()).add(service)
    assert all(len(found) == 1 for found in categories.values())
