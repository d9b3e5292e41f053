"""`penstock costs`: which commands there are, and what they take. Each imports its own file when it is called."""

import typer

from penstock.cli.costs import (
    books_command,
    budgets_command,
    builds_command,
    compare_command,
    digest_command,
    entries_command,
    export_command,
    forecast_command,
    grants_command,
    guards_command,
    ingest_command,
    reconcile_command,
    report_command,
    reprice_command,
    rightsize_command,
    tco_command,
    uptime_command,
    waste_command,
)
from penstock.cli.hubs import reaching

app = typer.Typer(
    help="What was used, what it cost, what it will cost.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """What was used, what it cost, what it will cost."""


app.command("approve")(reaching(guards_command.approve))
app.command("books")(reaching(books_command.books))
app.command("builds")(reaching(builds_command.builds))
app.command("compare")(reaching(compare_command.compare))
app.command("digest")(reaching(digest_command.digest))
app.command("entries")(reaching(entries_command.entries))
app.command("budgets")(reaching(budgets_command.budgets))
app.command("export")(reaching(export_command.export))
app.command("forecast")(reaching(forecast_command.forecast))
app.command("grants")(reaching(grants_command.grants))
app.command("guards")(reaching(guards_command.guards))
app.command("ingest")(reaching(ingest_command.ingest))
app.command("movers")(reaching(waste_command.movers))
app.command("reconcile")(reaching(reconcile_command.reconcile))
app.command("report")(reaching(report_command.report))
app.command("reprice")(reaching(reprice_command.reprice))
app.command("rightsize")(reaching(rightsize_command.rightsize))
app.command("tco")(reaching(tco_command.tco))
app.command("undo")(reaching(guards_command.undo))
app.command("uptime")(uptime_command.uptime)
app.command("waste")(reaching(waste_command.waste))
