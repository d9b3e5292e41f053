"""Bills and what was metered beside them, as calls: a bill comes in parts and counts once its last call is made."""

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from penstock.hub.context import Hub
from penstock.hub.costs.bills import close, take
from penstock.hub.costs.reconciling import bill_lines, reconcile
from penstock.model.ledger import Bill, BillLine
from penstock.reports.costs import day_number
from penstock.web import documents as d
from penstock.web.costs.asks import Ask, Tell
from penstock.web.documents import END, Document

Day = Annotated[int, Meta(ge=0, le=200_000, description="Days since 1970-01-01.")]
BillId = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{32}}{END}", examples=["0" * 32])]
Name = Annotated[str, Meta(max_length=2048, pattern=rf"^[^\x00]*{END}")]
Amount = Annotated[
    str,
    Meta(pattern=rf"^(0|-?(0|[1-9][0-9]{{0,149}})(\.[0-9]{{0,149}}[1-9])?){END}", examples=["-0.0000004"]),
]
Currency = Annotated[str, Meta(pattern=rf"^[A-Z]{{3}}{END}", examples=["USD"])]
Digest = Annotated[str, Meta(pattern=rf"^sha256:[0-9a-f]{{64}}{END}", examples=["sha256:" + "0" * 64])]
Month = Annotated[str, Meta(pattern=rf"^(20[0-9][0-9]-(0[1-9]|1[0-2]))?{END}", examples=["2026-10"])]
Rows = Annotated[int, Meta(ge=1, le=1 << 53)]
Place = Annotated[int, Meta(ge=0, le=1 << 53)]
After = Annotated[str, Meta(pattern=rf"^[0-9]{{1,9}}-[0-9]{{1,15}}{END}", examples=["0-0"])]
MOST_LINES = 1000
"""Of a part that is called for; a body of JSON holds no more of the usual length."""
MOST_BILLS = 500


class BillHead(Document):
    """Which bill: `id` names its content, see reports.bills of the program. Its period ends before the day `end`."""

    id: BillId
    provider: Name
    account: Name
    first: Day
    end: Day
    form: Name
    currency: Currency
    file: Name
    digest: Digest


class GivenLine(Document):
    """Rows of one day that agree, added up. `line`: where the first of them ended in the file."""

    day: Day
    service: Name
    resource: Name
    sku: Name
    region: Name
    category: Name
    pool: Name
    unit: Name
    billed: Amount
    effective: Amount
    listed: Amount
    quantity: Amount
    rows: Rows
    line: Place


class BillPart(Document):
    """Lines of a bill that come after the first `at`, in the order of their fields from `day` to `unit`."""

    bill: BillHead
    at: Place
    lines: Annotated[list[GivenLine], Meta(max_length=MOST_LINES)]


class TookPart(Document):
    """How many lines of the bill are there, and whether that is all of them."""

    bill: str
    lines: int
    done: bool


class WhichBills(Document):
    """Bills that are all there and are to count. `again`: also where they did, and were replaced since."""

    bills: Annotated[list[BillId], Meta(min_length=1, max_length=MOST_BILLS)]
    again: bool = False


class Counted(Document):
    """Ids of bills: `taken` count now, `replaced` no longer do, `known` did before; `restated` were replaced once and still are."""

    taken: list[str]
    replaced: list[str]
    known: list[str]
    restated: list[str]


class WhichMonth(Document):
    """A month, UTC; that of the newest bill where it is left out."""

    month: Month = ""


class Against(Document):
    """A pool's metered cost beside what was billed. `standing`: agrees, alarm (more than 5 % of the bill is not explained), not
    billed yet, no bill (none has a line of this pool this month), not metered (the ledger was not kept all of that day)."""

    pool: str
    metered: str
    billed: str
    residual: str
    residual_percent: float | None
    standing: str


class DayAgainst(Against):
    """The same for one day."""

    day: str


class PoolAgainst(Against):
    """The same for those `days` of the month that could be held against a bill."""

    days: int


class NoPool(Document):
    """What belongs to no pool."""

    metered: str
    billed: str


class BillLineOut(Document):
    """One bill: from the day `first` to before `end`. `current`: it was not replaced; `compared`: and is in the farm's currency."""

    id: str
    provider: str
    account: str
    first: str
    end: str
    form: str
    currency: str
    billed: str
    effective: str
    rows: int
    lines: int
    file: str
    digest: str
    taken_s: float
    current: bool
    compared: bool


class Reconciled(Document):
    """A month by pool and day: `billed` is the effective cost. All of `rows` and `no_pool` sum up to `metered` and `billed`."""

    schema: int
    month: str
    currency: str
    metered_until: str | None
    rows: list[DayAgainst]
    pools: list[PoolAgainst]
    no_pool: NoPool
    metered: str
    billed: str
    alarms: int
    bills: list[BillLineOut]


class WhichRows(Document):
    """Rows of a pool on a day, "" = of no pool; those after the one that `next` of the page before named."""

    day: date
    pool: Annotated[str, Meta(max_length=2048)] = ""
    after: After = "0-0"


class FileLine(Document):
    """Rows of a bill, added up; the first is row `line` of `file`."""

    service: str
    resource: str
    sku: str
    region: str
    category: str
    billed: str
    effective: str
    listed: str
    quantity: str
    unit: str
    rows: int
    line: int
    file: str
    bill: str


class FileLines(Document):
    """`next`: the `after` of the next page, null on the last one."""

    schema: int
    lines: list[FileLine]
    next: str | None


def bill_of(head: BillHead) -> Bill:
    """A bill of which nothing is there yet."""
    return Bill(**msgspec.structs.asdict(head), billed="0", effective="0", rows=0, taken_ms=0, current=False)


def _take(hub: Hub, part: BillPart, who: str) -> dict[str, Any]:
    bill = bill_of(part.bill)
    lines = [BillLine(bill=bill.id, **msgspec.structs.asdict(line)) for line in part.lines]
    return take(hub, bill, part.at, lines)


def _bill_lines(hub: Hub, said: WhichRows) -> dict[str, Any]:
    read_whole, _, seq = said.after.partition("-")
    return bill_lines(hub, (day_number(said.day), said.pool), (int(read_whole), int(seq)))


ASKS = {
    "reconcile": Ask(
        text="What was metered beside what was billed.",
        run=lambda hub, said: reconcile(hub, said.month),
        query=WhichMonth,
        answer=Reconciled,
    ),
    "bill_lines": Ask(
        text="Lines of bills behind a figure of `reconcile`.",
        run=_bill_lines,
        query=WhichRows,
        answer=FileLines,
    ),
}
TELLS = {
    "bill_part": Tell(
        text="Lines of a bill, which does not count before `bills_close`.",
        run=_take,
        body=BillPart,
        answer=TookPart,
    ),
    "bills_close": Tell(
        text="Make bills count, all of them or none, in place of those of their periods.",
        run=lambda hub, said, who: close(hub, said.bills, said.again),
        body=WhichBills,
        answer=Counted,
        errors={404: d.Problem},
    ),
}
