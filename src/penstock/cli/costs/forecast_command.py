"""`penstock costs forecast`: what it takes."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="STATEMENT", help="Readings of a bill, statement.toml; without it the farm's ledger."
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window-days",
        min=1,
        help="Days that the rate is taken from.  [default: between the last two readings; 28 of a ledger]",
    ),
]
WhatIf = Annotated[
    list[str] | None,
    typer.Option(
        "--what-if",
        metavar="RESOURCE=xN",
        help="N times as much of a resource next year, of a pool from now on; may be repeated.",
    ),
]
Off = Annotated[
    list[str] | None,
    typer.Option(
        "--off",
        metavar="RESOURCE",
        help="A resource that is switched off next year, a pool from now on; may be repeated.",
    ),
]
Round = Annotated[
    str | None,
    typer.Option(
        "--round",
        metavar="STEP",
        help="Round each resource's year to multiples of this; totals are their sums.",
    ),
]
Credit = Annotated[
    str | None,
    typer.Option("--credit", metavar="AMOUNT", help="What is there to be used up in each calendar year."),
]
CreditOnce = Annotated[
    bool, typer.Option("--credit-once", help="The credit does not come again with the new year.")
]
KeepRetired = Annotated[
    bool,
    typer.Option("--keep-retired", help="As if what is retired went on, to compare; with a warning."),
]


def forecast(
    statement: File = None,
    window_days: Window = None,
    what_if: WhatIf = None,
    off: Off = None,
    round_to: Round = None,
    credit: Credit = None,
    credit_once: CreditOnce = False,
    keep_retired: KeepRetired = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what this year and the next will cost, from which readings, and what is not known."""
    from penstock.cli.costs.ledger_forecast import Asking, ledger_forecast
    from penstock.cli.costs.statement_forecast import Wish, statement_forecast
    from penstock.cli.costs.tables import forms

    forms(as_json, as_csv)
    wish = Wish(
        window_days, tuple(what_if or ()), tuple(off or ()), round_to, credit, credit_once, keep_retired
    )
    if statement is not None:
        statement_forecast(statement, wish, farm, as_json, as_csv)
    else:
        ledger_forecast(wish, Asking(farm, state, hub, as_json, as_csv))
