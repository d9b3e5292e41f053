"""`penstock migrate`: the database becomes one of this release, before any hub of it is started."""

from pathlib import Path

from penstock.cli.output import print_json, refuse
from penstock.cli.place import Place, find_place
from penstock.store.revision import Standing
from penstock.store.standing import SCHEMA, standing_at
from penstock.wiring import Quiet, assemble

DID = {
    Standing.EMPTY: "made, schema {}",
    Standing.OLD: "brought to schema {}",
    Standing.USABLE: "nothing to do: it works with schema {}",
}


def run_migrate(farm: Path | None, state: Path | None, as_json: bool) -> None:
    """Bring the database to this release's schema, all of it or nothing, and say what was done."""
    place = find_place(farm, state)
    before = _standing(place)
    assemble(place.rules, place.folder, Quiet()).close()
    if as_json:
        print_json({"before": str(before), "schema": SCHEMA, "changed": before is not Standing.USABLE})
    else:
        print(DID[before].format(SCHEMA))


def refuse_unless_current(place: Place) -> None:
    """For `serve --no-migrate`."""
    found = _standing(place)
    if found is not Standing.USABLE:
        refuse(f"the database is {found}, not of schema {SCHEMA}: run `penstock migrate` first")


def _standing(place: Place) -> Standing:
    return standing_at(place.rules.state, Path(place.rules.folder))
