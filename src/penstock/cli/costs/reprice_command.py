"""`penstock costs reprice`: what it takes."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.costs.tables import AsCsv, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

Prices = Annotated[Path, typer.Option("--prices", help="The farm.toml with the other pools and prices.")]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="POOL=POOL",
        help="What ran in the first would run in the second. Again for others.  [default: the pool of that name there, "
        "else the cheapest that serves the same]",
    ),
]
Egress = Annotated[
    list[str] | None,
    typer.Option("--egress", metavar="POOL=GB", help="So much left that pool; without it what was counted."),
]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="The first day, UTC.  [default: 28 days before the last]"),
]


def reprice(
    prices: Prices,
    maps: Maps = None,
    egress: Egress = None,
    since: Since = None,
    until: Until = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what the same use would have cost at another farm's prices, egress included."""
    from penstock.cli.costs.repricing import Asked, show_repriced
    from penstock.cli.costs.tables import forms, query_of

    forms(as_json, as_csv)
    asked = Asked(prices=prices, maps=tuple(maps or ()), egress=tuple(egress or ()))
    show_repriced(asked, query_of(since, until), (farm, state, hub), (as_json, as_csv))
