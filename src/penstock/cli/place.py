"""Where a farm is: its rules, and the folder that holds its state."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.output import refuse
from penstock.config.farm import read_farm
from penstock.model.rules import Rules

HUB_FILE = "hub.json"


OWN_NAMES = ("blobs", "logs", "mirrors", "agents", "penstock.lock", HUB_FILE)
"""What a farm keeps in its state folder beside the database."""


class Place(msgspec.Struct, frozen=True):
    """The rules of a farm and its state folder."""

    rules: Rules
    folder: Path

    def own(self) -> list[Path]:
        """Files and folders that are the farm's and no source, even when they lie among sources."""
        database = self.rules.state.rpartition("/")[2]
        names = [
            *OWN_NAMES,
            database,
            f"{database}-wal",
            f"{database}-shm",
            self.rules.blobs.removeprefix("file:"),
        ]
        return [self.folder / name for name in names]

    def database(self) -> Path | None:
        """The file of the database; None for one that is not in a file."""
        kind, _, where = self.rules.state.partition(":")
        return self.folder / where.rpartition("/")[2] if kind == "sqlite" else None

    def hub_address(self) -> dict[str, Any] | None:
        """Address and operator's token of the hub that serves this state now, if one says so."""
        try:
            found = json.loads((self.folder / HUB_FILE).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or not all(
            isinstance(found.get(k), str) for k in ("address", "token")
        ):
            return None
        return found


def find_place(farm: Path | None, state: Path | None, source: Path | None = None) -> Place:
    """The farm that was named, or the farm.toml in the source folder; `state` wins over the file's settings."""
    if source is not None and not source.is_dir():
        refuse(f"{source}: there is no such folder; name a repository or a folder with .penstock.yml")
    file = farm or _beside(source) or _beside(Path("."))
    if file is None and state is not None and (state / "farm.toml").exists():
        file = state / "farm.toml"
    if file is None:
        if state is None:
            refuse("no farm: give --farm FILE, or put a farm.toml beside the source")
        return _in_folder(Rules(folder=str(state.absolute())), state)
    rules = read_farm(file)
    return _in_folder(rules, state) if state is not None else Place(rules, _folder_of(rules))


def named_place(farm: Path | None, state: Path | None) -> Place | None:
    """The farm that was named, if any was: beside a hub's address it is only where that hub may have left a token."""
    beside = _beside(Path("."))
    return find_place(farm, state) if farm is not None or state is not None or beside is not None else None


def write_hub_address(folder: Path, address: str, token: str) -> None:
    """Leave the address and the operator's token for other commands on this machine, readable by the owner only."""
    new = folder / (HUB_FILE + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"address": address, "token": token, "process": os.getpid()}, file)
    new.replace(folder / HUB_FILE)


def forget_hub_address(folder: Path) -> None:
    """Take back what `write_hub_address` left, unless another hub has written there since."""
    try:
        left = json.loads((folder / HUB_FILE).read_text())
    except (OSError, ValueError):
        return
    if isinstance(left, dict) and left.get("process") == os.getpid():
        (folder / HUB_FILE).unlink(missing_ok=True)


def _beside(source: Path | None) -> Path | None:
    file = source / "farm.toml" if source is not None else None
    return file if file is not None and file.is_file() else None


def _in_folder(rules: Rules, state: Path) -> Place:
    folder = state.absolute()
    there = next(above for above in (folder, *folder.parents) if above.exists())
    if not there.is_dir():
        refuse(f"{there}: is not a folder; give --state a folder, it is made when missing")
    inside = msgspec.structs.replace(
        rules, state=f"sqlite:///{folder}/penstock.db", blobs=f"file:{folder}/blobs"
    )
    return Place(inside, folder)


def _folder_of(rules: Rules) -> Path:
    """The folder of a SQLite state; for another database a folder of the farm's name beside farm.toml."""
    if rules.state.startswith("sqlite:///"):
        return (Path(rules.folder) / rules.state.removeprefix("sqlite:///")).parent
    return Path(rules.folder) / f"{rules.name}-state"
