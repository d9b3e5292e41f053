"""`penstock costs`: which commands there are, and what they take. Each imports its own file when it is called."""

import typer

from penstock.cli.costs import books_command, forecast_command, report_command, uptime_command
from penstock.cli.hubs import reaching

app = typer.Typer(
    help="What was used, what it cost, what it will cost.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """What was used, what it cost, what it will cost."""


app.command("books")(reaching(books_command.books))
app.command("forecast")(reaching(forecast_command.forecast))
app.command("report")(reaching(report_command.report))
app.command("uptime")(uptime_command.uptime)
