"""`penstock pools`: how pools stand, and stopping one by hand."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.hubs import reaching
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

app = typer.Typer(
    help="How pools stand; stop one, start it again.", no_args_is_help=True, rich_markup_mode=None
)
PoolArgument = Annotated[str, typer.Argument(help="A pool of farm.toml.")]
Why = Annotated[str, typer.Option("--reason", help="Why; shown wherever a job waits for it.")]


@app.callback()
def group() -> None:
    """How pools stand; stop one, start it again."""


@app.command("list")
@reaching
def list_pools(
    farm: FarmFile = None, state: StateFolder = None, hub: HubUrl = None, as_json: AsJson = False
) -> None:
    """List pools with their machines, what runs there, which are stopped, and what else is to be said of each.

    Below the table, in the words of `penstock explain`: who keeps jobs from a pool and why, since when its provider does not
    answer and what it said last, until when nothing is ordered, and what waits for a person's word.
    """
    from penstock.cli.output import clean, print_json, print_table
    from penstock.cli.queries import opened

    with opened(farm, state, hub) as found:
        document = found.read("pools", "")
    if as_json:
        print_json(document)
        return
    rows = [
        (
            one["name"],
            one["provider"],
            ", ".join(f"{count} {power}" for power, count in one["machines"].items()),
            one["running"],
            one["reason"] if one["stopped"] else "",
        )
        for one in document["pools"]
    ]
    print_table(("pool", "provider", "machines", "running", "stopped"), rows)
    for one in document["pools"]:
        for note in one.get("notes", ()):  # a hub of the release before has none
            print(clean(f"{note['subject']}: {note['text']}"))


@app.command()
@reaching
def stop(
    pool: PoolArgument,
    reason: Why = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let nothing start in a pool; what runs there goes on, jobs go to other pools or wait."""
    _act("stop-pool", pool, reason, (farm, state, hub), as_json)


@app.command()
@reaching
def start(
    pool: PoolArgument,
    reason: Why = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Use a stopped pool again."""
    _act("start-pool", pool, reason, (farm, state, hub), as_json)


@app.command()
@reaching
def clear(
    pool: PoolArgument,
    reason: Why = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Have all machines deleted that carry this farm's tag and are in no book; many at once are only deleted after this."""
    _act("clear-pool", pool, reason, (farm, state, hub), as_json)


@app.command()
@reaching
def trust(
    pool: PoolArgument,
    reason: Why = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Use a pool again at once of which too many machines failed together; else it takes nothing for ten minutes."""
    _act("trust-pool", pool, reason, (farm, state, hub), as_json)


def _act(
    what: str, pool: str, reason: str, where: tuple[Path | None, Path | None, str | None], as_json: bool
) -> None:
    from penstock.cli.queries import act

    act(what, pool, reason, *where, as_json)
