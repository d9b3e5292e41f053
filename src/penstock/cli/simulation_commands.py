"""`penstock simulate`, `sweep` and `advise`: what they take."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import AsJson

Histories = Annotated[
    list[Path],
    typer.Option(
        "--history",
        metavar="FILE",
        help="Jobs in the normal form (.csv, .jsonl, .parquet); may be repeated.",
    ),
]
Faults = Annotated[
    Path | None, typer.Option("--faults", metavar="FILE", help="What goes wrong on the way, as a file says.")
]
Seed = Annotated[int, typer.Option("--seed", help="Chance of wake times and faults.")]


def simulate(
    history: Histories,
    farm: Annotated[
        list[Path],
        typer.Option("--farm", metavar="FILE", help="A farm.toml; several are replayed side by side."),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME|FILE",
            help="May be repeated; `all` = every preset. By default penstock.",
        ),
    ] = None,
    seed: Seed = 1,
    faults: Faults = None,
    limits: Annotated[
        str,
        typer.Option("--limits", metavar="quick|full", help="full: at the promise for any number of jobs."),
    ] = "quick",
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="OUT", help="Write every event, a JSON document a line."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write a page of one file that shows it all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded queue on a farm: what would have waited, what it would have cost, how near to the limit."""
    from penstock.cli.simulate import run_simulate
    from penstock.cli.simulation.inputs import Asked

    run_simulate(Asked(history, farm, policy or (), seed, faults, limits), events, html, as_json)
