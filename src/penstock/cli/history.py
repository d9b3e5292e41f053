"""`penstock history`: what other systems recorded, in the form that simulations read."""

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.options import AsJson

app = typer.Typer(
    help="Other systems' queue history, for simulations.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """Other systems' queue history, for simulations."""


@app.command("import")
def import_history(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="What wrote it; a wrong one lists them all.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What it wrote, gzip or not.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="A new .csv or .jsonl (also .gz) or .parquet.")
    ],
    report: Annotated[
        bool, typer.Option("--report", help="Print what was dropped and mended, and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Turn another system's queue history into the normal form, which `simulate` reads."""
    from penstock.cli.output import print_json, say
    from penstock.history.importing import import_history as convert
    from penstock.wiring import history_format

    counts = convert(history_format(form), files, out).document()
    if as_json:
        print_json(counts)
        return
    if report:
        _print_report(counts)
    left_out = ", ".join(f"{n} {why}" for why, n in counts["dropped"].items())
    say(f"{out}: {counts['kept']} of {counts['read']} rows{'; dropped: ' if left_out else ''}{left_out}")


def _print_report(counts: dict[str, Any]) -> None:
    from penstock.cli.output import print_table

    rows = [("read", counts["read"], "", ""), ("kept", counts["kept"], "", "")]
    for what in ("dropped", "mended"):
        rows += [(what, n, why, counts["examples"][why]) for why, n in counts[what].items()]
    print_table(("what", "rows", "why", "for example"), rows)
