"""`penstock costs`: which commands there are, and what they take. Each imports its own file when it is called."""

import typer

from penstock.cli.costs import books_command
from penstock.cli.hubs import reaching

app = typer.Typer(
    help="What was used, what it cost, what it will cost.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """What was used, what it cost, what it will cost."""


app.command("books")(reaching(books_command.books))
