"""The rows behind every number, as a call."""

from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from penstock.hub.context import Hub
from penstock.hub.costs.entries import Wanted, entries
from penstock.hub.costs.ranges import FIRST
from penstock.hub.costs.reading import Days
from penstock.model.ledger import Account
from penstock.reports.costs import day_number
from penstock.web.costs.asks import Ask
from penstock.web.documents import END, Document, Limit

Value = Annotated[str, Meta(max_length=500, pattern=rf"^[^\x00-\x1f\x7f]*{END}")]
Place = Annotated[str, Meta(pattern=rf"^([0-9]{{1,15}}(-[0-9]{{1,15}})?)?{END}")]
VALUES = (
    "build",
    "attempt",
    "machine",
    "project",
    "branch",
    "platform",
    "pool",
    "klass",
    "account",
    "outcome",
)


class WhichEntries(Document):
    """Entries that agree in all that is given, from the day `since` to `until`, UTC: any day where they are left out.

    `after`: the `next` of the page before."""

    build: Value | UnsetType = UNSET
    attempt: Value | UnsetType = UNSET
    machine: Value | UnsetType = UNSET
    project: Value | UnsetType = UNSET
    branch: Value | UnsetType = UNSET
    platform: Value | UnsetType = UNSET
    pool: Value | UnsetType = UNSET
    klass: Value | UnsetType = UNSET
    account: Account | UnsetType = UNSET
    outcome: Value | UnsetType = UNSET
    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET
    limit: Limit = 200
    after: Place = ""


class EntryLine(Document):
    """One entry: `quantity` of `unit` at `price` an hour or a GB; `final`: after it the entries of the attempt sum up to its cost."""

    seq: int
    at_s: float
    day: str
    account: Account
    amount: str
    quantity: int
    unit: str
    price: str
    pool: str
    machine: str
    power: str
    what: str
    attempt: str
    job: str
    build: str
    project: str
    branch: str
    platform: str
    name: str
    klass: str
    outcome: str
    final: bool


class Entries(Document):
    """One page; `amount` is its sum. `next` is the `after` of the next one, null on the last. A page may be empty before the last."""

    schema: int
    currency: str
    entries: list[EntryLine]
    amount: str
    next: str | None


def _answered(hub: Hub, asked: WhichEntries) -> dict[str, Any]:
    first = FIRST if isinstance(asked.since, UnsetType) else day_number(asked.since)
    last = day_number(date.max) if isinstance(asked.until, UnsetType) else day_number(asked.until)
    given = {name: getattr(asked, name) for name in VALUES}
    values = {name: str(value) for name, value in given.items() if value is not UNSET}
    return entries(hub, Wanted(Days(first, last + 1), values), asked.limit, asked.after)


ASKS = {
    "entries": Ask(
        text="Entries of the ledger: the rows behind every number.",
        run=_answered,
        query=WhichEntries,
        answer=Entries,
    )
}
