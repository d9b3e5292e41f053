"""`penstock backup` and `penstock restore`: a farm into a folder while it runs, and from there into an empty place.

FOLDER/<UTC time>/    the records of one backup, and the farm.toml of that moment
FOLDER/blobs, logs    what all backups in FOLDER share
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from penstock import __version__
from penstock.cli.output import Leave, print_json, refuse, say
from penstock.cli.place import find_place
from penstock.hub import backup
from penstock.hub.backup import Copied, Place
from penstock.hub.context import NotFound
from penstock.ports import StoreError
from penstock.reports.builds import EXIT_FAILED
from penstock.store.blobs import open_blobs
from penstock.store.lock import FolderLock
from penstock.store.logs import FolderLogs
from penstock.store.tables import SEAL, TableFiles
from penstock.wiring import Quiet, assemble, assemble_reading

FARM_FILE = "farm.toml"


def save_farm(folder: Path, farm: Path | None, state: Path | None, as_json: bool) -> None:
    """Copy a farm into a folder. Exit 1 when something of it could not be copied."""
    place = find_place(farm, state)
    try:
        parts = assemble_reading(place.rules, place.folder)
    except StoreError as wrong:
        refuse(str(wrong))
    stamp = _label(parts.hub.clock.wall_ms())
    target = folder / stamp
    lock = _locked(folder)
    try:
        shelf = _shelf(folder, TableFiles(target))
        copied = backup.backup(parts.hub, parts.logs, shelf, __version__)
        if farm is not None:
            shutil.copy(farm, target / FARM_FILE)
    except NotFound:
        refuse(f"{place.folder}: there is no farm here yet, nothing to back up")
    finally:
        parts.close()
        lock.release()
    _tell(copied, f"saved to {target}", {"backup": str(target)}, as_json)


def restore_farm(source: Path, farm: Path | None, state: Path | None, as_json: bool) -> None:
    """Put a backup (the newest of a folder, or the one that is named) into an empty place."""
    chosen = _chosen(source)
    place = find_place(farm, state)
    shelf = _shelf(chosen.parent, TableFiles(chosen))
    try:
        backup.read_about(shelf.tables)
    except StoreError as wrong:
        refuse(str(wrong))
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        copied = backup.restore(parts.hub, parts.logs, shelf)
    finally:
        parts.close()
    told = f"restored {chosen}; the farm is frozen until `penstock thaw --adopt` or `--as-copy`"
    _tell(copied, told, {"backup": str(chosen), "frozen": True}, as_json)


def _shelf(folder: Path, tables: TableFiles) -> Place:
    return Place(tables, open_blobs("file:blobs", folder), FolderLogs(folder / "logs"))


def _label(wall_ms: int) -> str:
    """The time of a backup as a name that sorts."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def _locked(folder: Path) -> FolderLock:
    """One backup at a time: two would write the same files."""
    if folder.exists() and not folder.is_dir():
        refuse(f"{folder}: is not a folder; name one, it is made when missing")
    folder.mkdir(parents=True, exist_ok=True)
    return FolderLock(folder)


def _chosen(source: Path) -> Path:
    """The backup that is meant."""
    if (source / SEAL).is_file():
        return source.absolute()
    found = sorted(path.parent for path in source.glob(f"*/{SEAL}")) if source.is_dir() else []
    if not found:
        refuse(f"{source}: there is no backup here; name a folder that `penstock backup` wrote")
    return found[-1].absolute()


def _tell(copied: Copied, sentence: str, document: dict[str, object], as_json: bool) -> None:
    for problem in copied.problems:
        say(f"penstock: not copied: {problem}")
    if as_json:
        counted = {
            name: getattr(copied, name) for name in ("records", "blobs", "blobs_bytes", "logs", "logs_bytes")
        }
        print_json({**document, **counted, "problems": copied.problems})
    else:
        new = f"{copied.blobs} new blobs of {copied.blobs_bytes / 1e6:.1f} MB, {copied.logs} new logs"
        print(f"{sentence}: {copied.records} records, {new}")
    if copied.problems:
        raise Leave(EXIT_FAILED)
