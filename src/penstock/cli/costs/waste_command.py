"""`penstock costs waste` and `penstock costs movers`: what they take."""

from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv, Since, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

By = Annotated[
    str,
    typer.Option(
        "--by", metavar="NAMES", help="project, platform, pool, class, outcome, with commas between."
    ),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="DATE", help="As many days from here on.  [default: just before]"),
]
Top = Annotated[
    int, typer.Option("--top", min=1, max=1000, help="How many of the largest changes are named.")
]
EFFECTS = ("before", "now", "change", "quantity", "price", "mix", "cause")


def waste(
    since: Since = None,
    until: Until = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what was spent on what came to nothing."""
    from penstock.cli.costs.tables import forms, query_of, show
    from penstock.cli.output import say
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    with opened(farm, state, hub) as found:
        document = found.ask("waste", query_of(since, until))
    rows = [[line["kind"], line["amount"], line["share"], line["what"]] for line in document["waste"]]
    if show(document, ("waste", "amount", "share", "what"), rows, as_json, as_csv):
        say(
            f"{document['since']} to {document['until']}: {document['spent']} {document['currency']} spent in all"
        )


def movers(
    by: By = "project",
    since: Since = None,
    until: Until = None,
    before: Before = None,
    top: Top = 20,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what costs more or less than before, and why."""
    from penstock.cli.costs.tables import day, forms, query_of, show
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    _check(by)
    query = query_of(since, until, by=by, before=day("--before", before), top=top)
    with opened(farm, state, hub) as found:
        document = found.ask("movers", query)
    names = document["by"]
    rows = [
        [*(line["of"][name] for name in names), *(line[name] for name in EFFECTS)]
        for line in document["movers"]
    ]
    if show(document, (*names, *EFFECTS), rows, as_json, as_csv):
        _say(document)


def _check(by: str) -> None:
    from penstock.cli.output import refuse
    from penstock.web.costs.waste import MOVED_BY

    for name in by.split(","):
        if name not in MOVED_BY:
            refuse(f"--by {name}: write some of {', '.join(MOVED_BY)}")


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.output import say

    before, others = document["before"], document["others"]
    more = f"; {others} others changed, too" if others else ""
    say(
        f"{document['since']} to {document['until']} beside {before['since']} to {before['until']}: "
        f"{document['change']} {document['currency']}{more}"
    )
    for warning in document["warnings"]:
        say(f"warning: {warning}")
    say(
        "quantity: more or less of the same; price: the same pools at other prices; mix: dearer or cheaper pools"
    )
