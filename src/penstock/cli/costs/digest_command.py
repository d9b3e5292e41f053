"""`penstock costs digest`: what it takes."""

import sys
from typing import Annotated

import typer

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

Day = Annotated[
    str | None, typer.Option("--day", metavar="DATE", help="Which day, UTC.  [default: yesterday]")
]


def digest(
    day: Day = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write what a day cost and how things stand, as a letter."""
    from penstock.cli.costs import tables
    from penstock.cli.output import print_json
    from penstock.cli.queries import opened
    from penstock.reports.digest import text

    asked = tables.day("--day", day)
    with opened(farm, state, hub) as found:
        document = found.ask("digest", {"day": asked.isoformat()} if asked else {})
    if as_json:
        print_json(document)
    else:
        sys.stdout.write(text(document))
