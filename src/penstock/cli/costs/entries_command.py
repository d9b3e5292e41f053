"""`penstock costs entries`: what it takes."""

from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

OfBuild = Annotated[str | None, typer.Option("--build", metavar="ID", help="Of a build.")]
OfAttempt = Annotated[str | None, typer.Option("--attempt", metavar="ID", help="Of an attempt.")]
OfMachine = Annotated[str | None, typer.Option("--machine", metavar="ID", help="Of a machine.")]
OfDay = Annotated[str | None, typer.Option("--day", metavar="DATE", help="Of one day, UTC.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="From this day on, UTC.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Until this day, included.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="That have this project, branch, platform, pool, class, account or outcome; may be repeated.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
COLUMNS = (
    "seq", "day", "account", "amount", "quantity", "unit", "price", "pool", "machine", "power", "attempt", "build",
    "project", "branch", "name", "platform", "klass", "outcome", "what",
)  # fmt: skip
NAMES = ("project", "branch", "platform", "pool", "class", "account", "outcome")
A_PAGE = 1000


def entries(
    build: OfBuild = None,
    attempt: OfAttempt = None,
    machine: OfMachine = None,
    day: OfDay = None,
    since: From = None,
    until: Until = None,
    where: Where = None,
    limit: Limit = 1000,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Print entries of the ledger: the rows behind every number."""
    from penstock.cli.costs.tables import forms, query_of, show
    from penstock.cli.output import refuse, say
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    if day is not None and (since or until):
        refuse("--day is one day: leave out --from and --until")
    values = {"build": build, "attempt": attempt, "machine": machine, **_values(where or [])}
    query = query_of(day or since, day or until, **values)
    with opened(farm, state, hub) as found:
        document = _gathered(found, query, limit)
    rows = [[line[name] for name in COLUMNS] for line in document["entries"]]
    if show(document, COLUMNS, rows, as_json, as_csv):
        more = "; there are more: --limit" if document["more"] else ""
        say(f"{len(rows)} entries, {document['amount']} {document['currency']}{more}")


def _values(where: list[str]) -> dict[str, str]:
    from penstock.cli.output import refuse

    found = {}
    for said in where:
        name, equals, value = said.partition("=")
        if name not in NAMES or not equals:
            refuse(f"--where {said}: write NAME=VALUE, NAME one of {', '.join(NAMES)}")
        found["klass" if name == "class" else name] = value
    return found


def _gathered(farm: Any, query: dict[str, str], limit: int) -> dict[str, Any]:
    """Pages until there are `limit` entries or no more. `amount` is the sum of those that are there."""
    from decimal import Decimal

    lines: list[Any] = []
    place = ""
    while True:
        asked = {**query, "limit": str(min(A_PAGE, limit - len(lines))), "after": place}
        page = farm.ask("entries", asked)
        lines += page["entries"]
        place = page["next"]
        if not place or len(lines) >= limit:
            break
    amount = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    return {
        "schema": 1,
        "currency": page["currency"],
        "entries": lines,
        "amount": f"{amount:.6f}",
        "more": place is not None,
    }
