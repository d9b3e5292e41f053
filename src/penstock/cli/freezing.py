"""`penstock freeze` and `penstock thaw`."""

from pathlib import Path
from urllib.parse import urlsplit

from penstock.cli.output import refuse
from penstock.cli.queries import act


def freeze_farm(
    reason: str, moved_to: str, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """Freeze a farm; with `moved_to` its agents are sent there."""
    parts = urlsplit(moved_to)
    if moved_to and (parts.scheme not in ("http", "https") or not parts.hostname):
        refuse(f"--moved-to {moved_to}: is no address of a hub; write https://HOST or http://HOST:PORT")
    if moved_to:
        act("move", "farm", moved_to, farm, state, hub, as_json)
    else:
        act("freeze", "farm", reason, farm, state, hub, as_json)


def thaw_farm(
    adopt: bool, as_copy: bool, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """Thaw a farm as what the caller says it is."""
    if adopt == as_copy:
        refuse("say what this farm is: --adopt (it is the farm) or --as-copy (the other one lives on)")
    act("thaw", "adopt" if adopt else "as-copy", "", farm, state, hub, as_json)
