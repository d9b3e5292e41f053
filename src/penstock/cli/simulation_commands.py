"""`penstock simulate`, `sweep` and `advise`: what they take."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import AsJson
from penstock.cli.simulation import SEED_MOST

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
OneFarm = Annotated[Path, typer.Option("--farm", metavar="FILE", help="A farm.toml.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=SEED_MOST, help="Chance of wake times and faults.")]


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
    mode: Annotated[
        str,
        typer.Option(
            "--mode", metavar="quick|full", help="full: through the hub's own services, for hundreds of jobs."
        ),
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

    run_simulate(Asked(history, farm, policy or (), seed, faults, limits, mode), events, html, as_json)


def sweep(
    history: Histories,
    farm: OneFarm,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="KEY=A,B,C",
            help="A setting of farm.toml by its dotted name (pool.own.machines=0,5,10), policy or seed; may be repeated.",
        ),
    ],
    seed: Seed = 1,
    faults: Faults = None,
    dask: Annotated[
        str, typer.Option("--dask", metavar="ADDRESS", help="Run on this Dask scheduler, tcp://HOST:PORT.")
    ] = "",
    results: Annotated[
        Path,
        typer.Option(
            "--results", metavar="FOLDER", help="Where results are kept; a second run skips what is there."
        ),
    ] = Path("penstock-sweeps"),
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write a page of one file that shows it all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded queue with settings varied: every combination, on all cores, the best marked."""
    from penstock.cli.sweep import Asked, run_sweep

    run_sweep(Asked(history, farm, vary, seed, faults, dask, results), html, as_json)


def advise(
    history: Histories,
    farm: OneFarm,
    policy: Annotated[str, typer.Option("--policy", metavar="NAME|FILE", help="What decides.")] = "penstock",
    seed: Seed = 1,
    faults: Faults = None,
    as_json: AsJson = False,
) -> None:
    """Say how many machines to own, which timeout, what the promise costs: learnt on one half, reported on the other."""
    from penstock.cli.advise import Asked, run_advise

    run_advise(Asked(history, farm, policy, seed, faults), as_json)


ALL: tuple[Callable[..., None], ...] = (simulate, sweep, advise)
"""The commands, in the order in which `penstock --help` lists them."""
