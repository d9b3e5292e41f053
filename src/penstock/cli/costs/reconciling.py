"""Prints what was metered beside what was billed, and the rows behind one of the figures."""

from datetime import date
from typing import Any, NamedTuple

from penstock.cli.costs.tables import forms, show
from penstock.cli.output import print_json, print_table, refuse, say
from penstock.cli.queries import AnyFarm

Document = dict[str, Any]
COLUMNS = ("day", "pool", "metered", "billed", "residual", "residual_percent", "standing")
LINES = ("file", "line", "rows", "service", "resource", "sku", "region", "category", "billed", "effective")
ENTRIES = ("seq", "account", "machine", "power", "what", "job", "quantity", "unit", "price", "amount")
NO_POOL = "-"


class Form(NamedTuple):
    """How it is printed."""

    as_json: bool
    as_csv: bool


def show_month(farm: AnyFarm, month: str | None, form: Form) -> None:
    """A month by pool and day, pools together, and what belongs to no pool."""
    forms(*form)
    document = farm.ask("reconcile", {"month": month} if month else {})
    rows = [[row[name] for name in COLUMNS] for row in document["rows"]]
    if not show(document, COLUMNS, rows, *form):
        return
    currency, no_pool = document["currency"], document["no_pool"]
    for pool in document["pools"]:
        if pool["days"]:
            share = "" if pool["residual_percent"] is None else f", {pool['residual_percent']} %"
            print(f"{pool['pool']}: {pool['days']} days, residual {pool['residual']} {currency}{share}")
    print(f"in no pool: billed {no_pool['billed']}, metered {no_pool['metered']} {currency}")
    print(f"all: billed {document['billed']}, metered {document['metered']} {currency}")
    for bill in document["bills"]:
        if bill["current"] and not bill["compared"]:
            say(f"penstock: {bill['file']}: is in {bill['currency']}, the farm in {currency}: not compared")
    if document["alarms"]:
        say(f"penstock: {document['alarms']} rows differ from the bill by more than 5 %")


def show_rows(farm: AnyFarm, pool: str, day: str, form: Form) -> None:
    """Lines of bills and entries of the ledger of one pool on one day."""
    forms(*form)
    if form.as_csv:
        refuse("--csv: two kinds of rows are no table; write --json")
    try:
        date.fromisoformat(day)
    except ValueError:
        refuse(f"--rows {pool} {day}: write a pool and a day as 2026-10-31")
    query = {"day": day, "pool": "" if pool == NO_POOL else pool}
    lines = _all(farm, "bill_lines", "lines", query)
    wanted = {"since": day, "until": day, "pool": query["pool"], "limit": "1000"}
    entries = _all(farm, "entries", "entries", wanted)
    if form.as_json:
        print_json({"schema": 1, **query, "lines": lines, "entries": entries})
        return
    print_table(LINES, [[line[name] for name in LINES] for line in lines])
    print()
    print_table(ENTRIES, [[entry[name] for name in ENTRIES] for entry in entries])


def _all(farm: AnyFarm, what: str, name: str, query: Document) -> list[Document]:
    """All pages."""
    page = farm.ask(what, query)
    found: list[Document] = list(page[name])
    while page["next"] is not None:
        page = farm.ask(what, {**query, "after": str(page["next"])})
        found += page[name]
    return found
