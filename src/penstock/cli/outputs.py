"""`penstock outputs`: what a job made, listed or saved."""

import shutil
from collections.abc import Callable
from pathlib import Path

from penstock.cli.output import print_json, print_table, refuse
from penstock.cli.queries import opened
from penstock.wire.untar import unpack


def show_outputs(
    job: str, save: Path | None, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """List the files of every output of a job; with `save` unpack each into a folder of its name below it."""
    if save is not None and save.exists() and any(save.iterdir()):
        refuse(f"--save {save}: is there already and not empty; name a new folder")
    with opened(farm, state, hub) as found:
        document = found.read("outputs", job)
        if save is not None:
            for output in document["outputs"]:
                found.output(job, output["name"], _into(save / output["name"]))
    if as_json:
        print_json(document)
        return
    rows = [
        (output["name"], file["size_bytes"], file["name"])
        for output in document["outputs"]
        for file in output["files"]
    ]
    print_table(("output", "bytes", "file"), rows)


def _into(folder: Path) -> Callable[[Callable[[int], bytes]], None]:
    """Unpacks a stream into a new folder, from the start again when it is called again."""

    def consume(read: Callable[[int], bytes]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # As a source: links may point anywhere, such as into $PREFIX, and are never followed while unpacking.
        unpack(read, folder, source=True)

    return consume
