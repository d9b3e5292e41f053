"""Our own ledger as FOCUS 1.2 rows: one for each tally, one for each day's use of a credit.

Sums: EffectiveCost of what is "Usage" is the ledger, to the micro-unit; BilledCost of it leaves out pools of our own,
which nobody bills, as `penstock costs grants` does; BilledCost of "Credit" is what grants paid, negative. So BilledCost in all is cash.
Source: FinOps Open Cost and Usage Specification 1.2; docs/how-to/export-and-digest.md says which of its conditions hold.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from penstock.model.ledger import Account, Tally
from penstock.model.rules import Pool
from penstock.model.units import DAY_MS, MS_PER_HOUR, MS_PER_S, decimal_text

FORM = "FOCUS 1.2"
COLUMNS = tuple(
    """AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency
    BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass
    ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory
    CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus
    CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice
    EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency
    PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity
    PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory
    ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName
    SubAccountType Tags""".split()
)
"""All 57 columns of FOCUS 1.2, in the order of the specification."""
OUR_COLUMNS = tuple("x_Account x_Class x_Entries x_Grant x_Outcome x_Platform x_TcoModelId".split())
"""Ours, which come after them."""
TCO_MODEL = "straight-line"
"""How model.rules.Tco becomes a price an hour: reports.tco."""
BILLERS = {"ec2": "AWS", "kubernetes": "Kubernetes", "libvirt": "libvirt", "simulated": "Simulated"}
"""Who is said to bill the machines of a provider."""
GB = 10**9
Row = dict[str, str]
"""The columns of a row that are not null, as text."""


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """What a grant paid on one day for one pool; above 0."""

    day: int
    grant: str
    pool: str
    amount_micros: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Whose ledger it is: the farm's name, its currency, its pools by name; those of `own` nobody bills."""

    farm: str
    currency: str
    pools: Mapping[str, Pool]
    own: frozenset[str] = frozenset()


class Service(msgspec.Struct, frozen=True):
    """What was used, as FOCUS sorts services."""

    name: str
    category: str
    subcategory: str


RENTED = Service("Rented machines", "Compute", "Virtual Machines")
PODS = Service("Pods", "Compute", "Containers")
MACHINES = Service("Own machines", "Compute", "Other (Compute)")
SERVICES = {
    Account.OVERHEAD: Service(
        "Fixed charges", "Management and Governance", "Other (Management and Governance)"
    ),
    Account.STORAGE: Service("Stored outputs", "Storage", "Object Storage"),
    Account.EGRESS: Service("Egress", "Networking", "Network Connectivity"),
}
MEANS = {
    Account.DIRECT: "Machine time that attempts held",
    Account.IDLE: "Machine time that nobody held",
    Account.LIFECYCLE: "Machine time to become usable or gone",
    Account.OVERHEAD: "Fixed charges",
    Account.STORAGE: "Outputs that were kept",
    Account.EGRESS: "Outputs and logs that left",
}


def rows(tallies: Iterable[Tally], paid: Iterable[Credit], books: Books) -> list[Row]:
    """All rows in one order, whatever order they come in: by day, credits after use."""
    found = [_usage(tally, books) for tally in tallies] + [_credit(credit, books) for credit in paid]
    return sorted(found, key=_place)


def line(row: Row) -> list[str]:
    """A row as a line of a CSV file: COLUMNS, then OUR_COLUMNS; null is an empty field."""
    return [row.get(column, "") for column in (*COLUMNS, *OUR_COLUMNS)]


def totals(rows: Iterable[Row]) -> dict[str, Decimal]:
    """What rows sum up to: `used` (the ledger), `billed` of that (without our own machines), `credits` (negative)."""
    found = dict.fromkeys(("used", "billed", "credits"), Decimal())
    for row in rows:
        billed = Decimal(row["BilledCost"])
        if row["ChargeCategory"] == "Credit":
            found["credits"] += billed
        else:
            found["billed"] += billed
            found["used"] += Decimal(row["EffectiveCost"])
    return found


def _place(row: Row) -> tuple[str, ...]:
    names = "ResourceName SubAccountId x_Account x_Platform x_Class x_Outcome x_Grant"
    return (
        row["ChargePeriodStart"],
        "" if row["ChargeCategory"] == "Usage" else row["ChargeCategory"],
        *(row.get(name, "") for name in names.split()),
    )


def _usage(tally: Tally, books: Books) -> Row:
    pool = books.pools.get(tally.pool)
    ours = tally.pool in books.own
    cash = "0" if ours else decimal_text(tally.amount_micros)
    service = _service(tally.account, pool)
    return {
        **_charge(tally.day, tally.pool, books),
        **_quantities(tally),
        **_said(
            SubAccountId=tally.project,
            SubAccountName=tally.project,
            SubAccountType="Project" if tally.project else "",
            Tags=_tags(
                **{"class": tally.klass}, platform=tally.platform, pool=tally.pool, project=tally.project
            ),
            x_Class=tally.klass,
            x_Outcome=tally.outcome,
            x_Platform=tally.platform,
            x_TcoModelId=TCO_MODEL if pool is not None and pool.tco and tally.account not in SERVICES else "",
        ),
        "BilledCost": cash,
        "ChargeCategory": "Usage",
        "ChargeDescription": MEANS[tally.account],
        "ChargeFrequency": "Recurring" if ours or tally.account == Account.OVERHEAD else "Usage-Based",
        "ContractedCost": cash,
        "EffectiveCost": decimal_text(tally.amount_micros),
        "ListCost": cash,
        "PricingCategory": "Dynamic" if pool is not None and pool.reclaim_per_hour else "Standard",
        "ServiceCategory": service.category,
        "ServiceName": service.name,
        "ServiceSubcategory": service.subcategory,
        "x_Account": str(tally.account),
        "x_Entries": str(tally.count),
    }


def _credit(credit: Credit, books: Books) -> Row:
    paid = decimal_text(-credit.amount_micros)
    service = _service(Account.DIRECT, books.pools.get(credit.pool))
    return {
        **_charge(credit.day, credit.pool, books),
        **_said(Tags=_tags(pool=credit.pool)),
        "BilledCost": paid,
        "ChargeCategory": "Credit",
        "ChargeDescription": f"Sponsored credit: {credit.grant}",
        "ChargeFrequency": "One-Time",
        "ContractedCost": paid,
        "EffectiveCost": paid,
        "ListCost": paid,
        "ServiceCategory": service.category,
        "ServiceName": service.name,
        "ServiceSubcategory": service.subcategory,
        "x_Grant": credit.grant,
    }


def _charge(day: int, pool: str, books: Books) -> Row:
    """When it was, whose it is, who bills it."""
    first = _date(day).replace(day=1)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    known = books.pools.get(pool)
    biller = BILLERS.get(known.provider, books.farm) if known else books.farm
    return {
        "BillingAccountId": f"penstock/{books.farm}",
        "BillingAccountName": books.farm,
        "BillingAccountType": "Farm",
        "BillingCurrency": books.currency,
        "BillingPeriodEnd": _moment(after),
        "BillingPeriodStart": _moment(first),
        "ChargePeriodEnd": _moment(_date(day + 1)),
        "ChargePeriodStart": _moment(_date(day)),
        "InvoiceIssuerName": biller,
        "ProviderName": biller,
        "PublisherName": biller,
        **_said(
            ResourceId=f"{books.farm}/{pool}" if pool else "",
            ResourceName=pool,
            ResourceType="Machine pool" if pool else "",
        ),
    }


def _quantities(tally: Tally) -> Row:
    """How much it was: time in hours, six places, and in seconds, exact; bytes in GB (10^9)."""
    if tally.account == Account.OVERHEAD:
        used = priced = str(tally.count), "Days"
    elif tally.account in (Account.STORAGE, Account.EGRESS):
        unit = "GB-Days" if tally.account == Account.STORAGE else "GB"
        used = priced = _places(tally.quantity, GB, 9), unit
    else:
        of = "Slot-" if tally.account == Account.DIRECT else ""
        priced = _places(tally.quantity, MS_PER_HOUR, 6), f"{of}Hours"
        used = _places(tally.quantity, MS_PER_S, 3), f"{of}Seconds"
    return dict(zip(QUANTITIES, (*used, *priced), strict=True))


QUANTITIES = ("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit")


def _places(amount: int, whole: int, places: int) -> str:
    """A share as a decimal with so many places, the last rounded half up."""
    scaled = (2 * abs(amount) * 10**places + whole) // (2 * whole)
    sign = "-" if amount < 0 else ""
    return f"{sign}{scaled // 10**places}.{scaled % 10**places:0{places}d}"


def _service(account: Account, pool: Pool | None) -> Service:
    if account in SERVICES:
        return SERVICES[account]
    if pool is not None and pool.provider in ("owned", "local"):
        return MACHINES
    return PODS if pool is not None and pool.provider == "kubernetes" else RENTED


def _tags(**tags: str) -> str:
    """As bills have the tags of machines that a hub rents."""
    said = {f"penstock-{name}": value for name, value in tags.items() if value}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else ""


def _said(**columns: str) -> Row:
    return {name: value for name, value in columns.items() if value}


def _date(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY_MS // MS_PER_S, UTC)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
