"""The commands about a farm as a whole: saved, brought back, frozen and thawed."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder


def backup(
    folder: Annotated[
        Path, typer.Argument(help="Where backups are kept; made when missing. They share blobs and logs.")
    ],
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Save records, blobs and logs of a farm, while it runs. The next one in the same folder copies only what is new."""
    from penstock.cli.backup import save_farm

    save_farm(folder, farm, state, as_json)


def restore(
    source: Annotated[
        Path, typer.Argument(help="A folder of backups (the newest is taken), or one backup in it.")
    ],
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty place: another folder, or PostgreSQL and S3. The farm starts frozen."""
    from penstock.cli.backup import restore_farm

    restore_farm(source, farm, state, as_json)


def freeze(
    reason: Annotated[str, typer.Option("--reason", help="Why; shown wherever the farm is.")] = "",
    moved_to: Annotated[
        str,
        typer.Option("--moved-to", help="Send agents to the hub at this address, and accept nothing here."),
    ] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a farm decide nothing until it is thawed; what runs goes on."""
    from penstock.cli.freezing import freeze_farm

    freeze_farm(reason, moved_to, farm, state, hub, as_json)


def thaw(
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="This is the farm: what carries its older incarnations is its own."),
    ] = False,
    as_copy: Annotated[
        bool,
        typer.Option("--as-copy", help="This is a copy of a farm that lives on: it begins without machines."),
    ] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a frozen farm go on: as the farm that it was, or as a copy."""
    from penstock.cli.freezing import thaw_farm

    thaw_farm(adopt, as_copy, farm, state, hub, as_json)
