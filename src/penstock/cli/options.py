"""Options and arguments that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

FarmFile = Annotated[Path | None, typer.Option("--farm", help="The farm's rules: a farm.toml.")]
StateFolder = Annotated[
    Path | None, typer.Option("--state", help="Keep database and blobs in this folder (wins over the file).")
]
HubUrl = Annotated[str | None, typer.Option("--hub", help="Talk to the hub at this address instead.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SourceArgument = Annotated[Path, typer.Argument(help="A repository or folder with .penstock.yml.")]
Dirty = Annotated[
    bool, typer.Option("--dirty", help="Build the working tree as it is, not what is committed.")
]
NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Run commands as plain processes; results stay untrusted.")
]
JobArgument = Annotated[str, typer.Argument(help="The id of a job.")]
