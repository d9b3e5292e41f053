"""`penstock costs reconcile`: what it takes."""

from typing import Annotated

import typer

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder


def reconcile(
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="A month, UTC.  [default: the newest bill's]"),
    ] = None,
    rows: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--rows", metavar="POOL DAY", help="Both sides of one figure, row by row; - is no pool."
        ),
    ] = None,
    as_csv: AsCsv = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Hold what was metered against what was billed, by pool and day; what is left over is shown, and an alarm above 5 %."""
    from penstock.cli.costs.reconciling import Form, show_month, show_rows
    from penstock.cli.queries import opened

    form = Form(as_json, as_csv)
    with opened(farm, state, hub) as found:
        if rows is not None:
            show_rows(found, *rows, form)
        else:
            show_month(found, month, form)
