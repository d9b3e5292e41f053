"""What the columns of each form mean. Azure's and the newer ones of Amazon are known from documentation alone."""

from decimal import Decimal
from pathlib import Path

import pytest
from billfiles import focus, table

from penstock.bills.charges import Amounts, Key, Period, total
from penstock.bills.cur import NEEDS, snake
from penstock.bills.problems import BadBill
from penstock.bills.reading import Found, read
from penstock.bills.statement import gathered
from penstock.config.statement import statement_of

SEPTEMBER = (19967, 19997)
DAY = 19969
CUR = {
    "bill/PayerAccountId": "123",
    "bill/BillingPeriodStartDate": "2024-09-01T00:00:00Z",
    "bill/BillingPeriodEndDate": "2024-10-01T00:00:00Z",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2024-09-03T22:00:00Z",
    "lineItem/UsageEndDate": "2024-09-03T23:00:00Z",
    "lineItem/CurrencyCode": "USD",
    "lineItem/UnblendedCost": "4.0E-7",
    "lineItem/ProductCode": "AmazonEC2",
    "lineItem/UsageType": "BoxUsage",
    "lineItem/ResourceId": "i-1",
    "lineItem/UsageAmount": "2",
    "product/sku": "S",
    "product/regionCode": "eu",
    "pricing/unit": "Hrs",
    "pricing/publicOnDemandCost": "5",
    "reservation/ReservationARN": "",
    "reservation/EffectiveCost": "",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "",
    "reservation/UnusedRecurringFee": "",
    "savingsPlan/SavingsPlanEffectiveCost": "",
    "savingsPlan/TotalCommitmentToDate": "",
    "savingsPlan/UsedCommitment": "",
}
AZURE = {
    "BillingAccountId": "8611537",
    "BillingPeriodStartDate": "09/01/2024",
    "BillingPeriodEndDate": "09/30/2024",
    "Date": "09/03/2024",
    "MeterCategory": "Virtual Machines",
    "MeterId": "m",
    "ResourceId": "/subscriptions/s/vm",
    "ResourceLocation": "westeurope",
    "ChargeType": "Usage",
    "Tags": '"penstock-pool": "rented","a": "b"',
    "UnitOfMeasure": "1 Hour",
    "Quantity": "3",
    "CostInBillingCurrency": "0.75",
    "BillingCurrency": "EUR",
    "PayGPrice": "0.5",
}


def read_text(folder: Path, *texts: str, amortised: int = 0) -> Found:
    """Files with these texts, read; the last `amortised` of them as such."""
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"bill{number}.csv")
        files[-1].write_text(text)
    return read(files[: len(files) - amortised], files[len(files) - amortised :])


def only(found: Found) -> tuple[Period, Key, Amounts]:
    """The one line of the one bill."""
    ((period, lines),) = found.gathered.bills.items()
    ((key, line),) = lines.items()
    return period, key, Amounts(line.billed, line.effective, line.listed, line.quantity)


def amounts(*said: str) -> Amounts:
    return Amounts(*map(Decimal, said))


def test_focus(tmp_path: Path) -> None:
    found = only(read_text(tmp_path, focus({"Tags": '{"penstock-pool": "rented"}'})))
    assert found == (
        Period("AWS", "a1", *SEPTEMBER),
        Key(DAY, "EC2", "i-1", "sku", "eu", "Usage", "rented", "Hours"),
        amounts("1.5", "1.25", "2", "1"),
    )


def test_focus_with_null_and_moments_as_databases_write_them(tmp_path: Path) -> None:
    changes = {"ChargePeriodStart": "2024-09-03 23:30:00", "ChargePeriodEnd": "2024-09-04 00:30:00"}
    nothing = dict.fromkeys(("ResourceId", "SkuId", "RegionId", "Tags", "ListCost", "ConsumedUnit"), "NULL")
    _, key, sums = only(read_text(tmp_path, focus(changes | nothing | {"ConsumedQuantity": "NULL"})))
    assert key == Key(DAY, "EC2", "", "", "", "Usage", "", "")
    assert sums == amounts("1.5", "1.25", "0", "0")


def test_a_day_is_one_of_utc(tmp_path: Path) -> None:
    text = focus(
        {"ChargePeriodStart": "2024-09-03T23:30:00-02:00", "ChargePeriodEnd": "2024-09-04T02:00:00+00:00"}
    )
    assert only(read_text(tmp_path, text))[1].day == DAY + 1


def test_hours_of_a_day_are_added_up(tmp_path: Path) -> None:
    hours = [
        {"ChargePeriodStart": f"2024-09-03T{hour:02}:00:00Z", "ChargePeriodEnd": "2024-09-04T00:00:00Z"}
        for hour in range(24)
    ]
    _, _, sums = only(read_text(tmp_path, focus(*hours, {"BilledCost": "-0.5", "EffectiveCost": "0"})))
    assert sums == amounts("35.5", "30", "50", "25")


@pytest.mark.parametrize("spell", [str, snake])
def test_a_report_of_amazon(tmp_path: Path, spell: type[str]) -> None:
    found = only(read_text(tmp_path, table([{spell(name): text for name, text in CUR.items()}])))
    assert found == (
        Period("AWS", "123", *SEPTEMBER),
        Key(DAY, "AmazonEC2", "i-1", "S", "eu", "Usage", "", "Hrs"),
        amounts("0.0000004", "0.0000004", "5", "2"),
    )


def test_amazons_two_spellings() -> None:
    assert snake("savingsPlan/SavingsPlanEffectiveCost") == "savings_plan_savings_plan_effective_cost"
    assert snake("reservation/ReservationARN") == "reservation_reservation_a_r_n"
    assert snake("pricing/publicOnDemandCost") == "pricing_public_on_demand_cost"
    assert snake(NEEDS[0]) == "bill_payer_account_id"


@pytest.mark.parametrize(
    ("kind", "changes", "billed", "effective", "category"),
    [
        ("DiscountedUsage", {"reservation/EffectiveCost": "3"}, "1", "3", "Usage"),
        (
            "RIFee",
            {
                "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "2",
                "reservation/UnusedRecurringFee": "5",
            },
            "1",
            "7",
            "Purchase",
        ),
        ("SavingsPlanCoveredUsage", {"savingsPlan/SavingsPlanEffectiveCost": "0.6"}, "1", "0.6", "Usage"),
        ("SavingsPlanNegation", {}, "1", "0", "Usage"),
        (
            "SavingsPlanRecurringFee",
            {"savingsPlan/TotalCommitmentToDate": "9", "savingsPlan/UsedCommitment": "8.5"},
            "1",
            "0.5",
            "Purchase",
        ),
        ("SavingsPlanUpfrontFee", {}, "1", "0", "Purchase"),
        ("Fee", {"reservation/ReservationARN": "arn:x"}, "1", "0", "Purchase"),
        ("Fee", {}, "1", "1", "Purchase"),
        ("Tax", {}, "1", "1", "Tax"),
        ("Credit", {}, "1", "1", "Credit"),
        ("Refund", {}, "1", "1", "Adjustment"),
    ],
)
def test_commitments_are_spread_over_what_uses_them(
    tmp_path: Path, kind: str, changes: dict[str, str], billed: str, effective: str, category: str
) -> None:
    row = CUR | {"lineItem/UnblendedCost": "1", "lineItem/LineItemType": kind} | changes
    _, key, sums = only(read_text(tmp_path, table([row])))
    assert (sums.billed, sums.effective, key.category) == (Decimal(billed), Decimal(effective), category)


def test_a_covered_use_and_its_negation_bill_nothing_but_the_fee(tmp_path: Path) -> None:
    rows = [
        {"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost": "0.6"},
        {"lineItem/LineItemType": "SavingsPlanNegation", "lineItem/UnblendedCost": "-1"},
        {
            "lineItem/LineItemType": "SavingsPlanRecurringFee",
            "lineItem/UnblendedCost": "0.7",
            "savingsPlan/TotalCommitmentToDate": "0.7",
            "savingsPlan/UsedCommitment": "0.6",
        },
    ]
    text = table(CUR | {"lineItem/UnblendedCost": "1"} | row for row in rows)
    (lines,) = read_text(tmp_path, text).gathered.bills.values()
    assert (total(lines).billed, total(lines).effective) == (Decimal("0.7"), Decimal("0.7"))


@pytest.mark.parametrize(
    ("column", "text", "pool"),
    [
        ("resourceTags/user:penstock-pool", "rented", "rented"),
        ("resource_tags", '{"user_penstock_pool": "rented"}', "rented"),
        ("resource_tags", '{"user_penstock_pool": 7}', ""),
        ("resource_tags", '["penstock-pool"]', ""),
        ("resource_tags", "{penstock", ""),
        ("resource_tags", '{"owner": "me"}', ""),
    ],
)
def test_a_tag_names_the_pool(tmp_path: Path, column: str, text: str, pool: str) -> None:
    assert only(read_text(tmp_path, table([CUR | {column: text}])))[1].pool == pool


def test_a_net_cost_goes_before_the_unblended_one(tmp_path: Path) -> None:
    row = CUR | {"lineItem/NetUnblendedCost": "0.25", "lineItem/UnblendedCost": "1"}
    assert only(read_text(tmp_path, table([row])))[2][:2] == (Decimal("0.25"), Decimal("0.25"))


@pytest.mark.parametrize("change", [str, str.lower])
def test_azure(tmp_path: Path, change: type[str]) -> None:
    found = only(read_text(tmp_path, table([{change(name): text for name, text in AZURE.items()}])))
    assert found == (
        Period("Microsoft", "8611537", *SEPTEMBER),
        Key(DAY, "Virtual Machines", "/subscriptions/s/vm", "m", "westeurope", "Usage", "rented", "1 Hour"),
        amounts("0.75", "0.75", "1.5", "3"),
    )


def test_without_a_billing_period_azures_is_the_month(tmp_path: Path) -> None:
    gone = {name: text for name, text in AZURE.items() if not name.startswith("BillingPeriod")}
    assert only(read_text(tmp_path, table([gone])))[0] == Period("Microsoft", "8611537", *SEPTEMBER)
    december = gone | {"Date": "2024-12-31"}
    period = only(read_text(tmp_path, table([december])))[0]
    assert period.end - period.first == 31


def test_azures_actual_and_amortised_costs_are_one_bill(tmp_path: Path) -> None:
    actual = [
        AZURE | {"CostInBillingCurrency": "0"},
        AZURE | {"ChargeType": "Purchase", "CostInBillingCurrency": "100", "Quantity": "1"},
    ]
    amortised = [
        AZURE | {"CostInBillingCurrency": "3"},
        AZURE | {"ChargeType": "UnusedReservation", "CostInBillingCurrency": "0.5"},
    ]
    found = read_text(tmp_path, table(actual), table(amortised), amortised=1)
    (lines,) = found.gathered.bills.values()
    assert total(lines)[:2] == (Decimal(100), Decimal("3.5"))
    assert found.file == "bill0.csv, bill1.csv"


def test_amortised_costs_are_azures(tmp_path: Path) -> None:
    with pytest.raises(BadBill, match="--amortised belongs to Azure's actual costs"):
        read_text(tmp_path, focus({}), table([AZURE]), amortised=1)


def test_parts_of_one_export_are_one_bill(tmp_path: Path) -> None:
    one, other = read_text(tmp_path, focus({}), focus({"ResourceId": "i-2"})), read_text(tmp_path, focus({}))
    (lines,) = one.gathered.bills.values()
    assert total(lines).billed == Decimal(3)
    assert one.digest != other.digest


STATEMENT = """
currency = "USD"
[[reading]]
date = 2023-06-01
total = 2005
resource = { d2s = 371 }
[[reading]]
date = 2023-06-28
total = 2673
resource = { d2s = 457 }
"""


def test_a_statement_is_what_each_reading_adds() -> None:
    found = gathered(statement_of(STATEMENT, "s.toml"), "qemu", "s.toml")
    ((period, lines),) = found.bills.items()
    assert period == Period("statement", "qemu", 19358, 19723)
    assert [(key.day, key.resource, line.billed) for key, line in lines.items()] == [
        (19508, "", Decimal(1634)),
        (19508, "d2s", Decimal(371)),
        (19535, "", Decimal(582)),
        (19535, "d2s", Decimal(86)),
    ]
    assert total(lines).billed == Decimal(2673)


def test_totals_of_a_statement_begin_anew_each_year() -> None:
    """The beginning of 1 January is the end of the year before."""
    more = "".join(
        f"[[reading]]\ndate = {day}\ntotal = {total}\n"
        for day, total in [("2024-01-01", 3000), ("2024-01-02", 1), ("2024-02-01", 31)]
    )
    found = gathered(statement_of(STATEMENT + more, "s.toml"), "qemu", "s.toml")
    assert [total(lines).billed for _, lines in sorted(found.bills.items())] == [Decimal(3000), Decimal(31)]


def test_a_total_does_not_fall() -> None:
    fallen = STATEMENT.replace("total = 2673", "total = 500")
    with pytest.raises(BadBill, match="the total falls from 2005 to 500"):
        gathered(statement_of(fallen, "s.toml"), "qemu", "s.toml")
