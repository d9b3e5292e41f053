"""`penstock costs ingest`: what it takes."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="A bill (CSV, gzip or not) or a statement (.toml); several files are parts of one bill.",
        ),
    ],
    amortised: Annotated[
        list[Path] | None,
        typer.Option(
            "--amortised", metavar="FILE", help="Azure's amortised export of the same use; may be repeated."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make a bill count that another one has replaced since.")
    ] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Read a provider's bill, and keep it where there is a farm: FOCUS 1.0 to 1.2, AWS CUR, Azure cost details, statements."""
    from penstock.cli.costs.ingesting import Where, run

    run(files, amortised or [], again, Where(farm, state, hub), as_json)
