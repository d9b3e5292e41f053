"""`penstock costs tco`: what it takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.cli.costs.tables import AsCsv
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

PARTS = ("depreciation", "power", "colocation", "staff", "spares", "network")
OWN = ("machines", "slots", "a_year", "an_hour", "all_a_year", "use", "slot_hour")
OTHER = ("slot_hour", "break_even", "paid_slot_hour", "break_even_paid")
COLUMNS = ("pool", "against", "a_year", "use", "slot_hour", "rented", "break_even", "paid", "break_even_paid")
CSV_COLUMNS = (
    "pool",
    *OWN,
    *PARTS,
    "against",
    "against_slot_hour",
    "break_even",
    "against_paid_slot_hour",
    "break_even_paid",
)


def tco(
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what owned machines cost, all included, and from which use on they are cheaper than rented ones."""
    from penstock.cli.costs.tables import forms, show

    forms(as_json, as_csv)
    document = _asked(farm, state, hub)
    columns, rows = (CSV_COLUMNS, _csv_rows(document)) if as_csv else (COLUMNS, _rows(document))
    if show(document, columns, rows, as_json, as_csv):
        _say(document)


def _asked(farm: Path | None, state: Path | None, hub: str | None) -> dict[str, Any]:
    """From the farm, or from its farm.toml alone where nothing ran yet."""
    from penstock.cli.place import find_place
    from penstock.cli.queries import opened
    from penstock.hub.costs.tco import Measured, owned_document

    if hub is None:
        place = find_place(farm, state)
        database = place.database()
        if database is not None and not database.exists():
            return owned_document(place.rules, Measured())
    with opened(farm, state, hub) as found:
        return found.ask("tco")


def _rows(document: dict[str, Any]) -> Iterator[list[object]]:
    for pool in document["pools"]:
        mine = [pool["a_year"], _percent(pool["use"]), pool["slot_hour"]]
        for other in pool["against"] or [dict.fromkeys(("pool", *OTHER))]:
            rented = [other["slot_hour"], _percent(other["break_even"])]
            paid = [other["paid_slot_hour"], _percent(other["break_even_paid"])]
            yield [pool["pool"], other["pool"], *mine, *rented, *paid]


def _csv_rows(document: dict[str, Any]) -> Iterator[list[object]]:
    for pool in document["pools"]:
        mine = [pool["pool"], *(pool[key] for key in OWN), *(pool["parts"].get(key) for key in PARTS)]
        for other in pool["against"] or [dict.fromkeys(("pool", *OTHER))]:
            yield [*mine, other["pool"], *(other[key] for key in OTHER)]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.costs.printing import cents
    from penstock.cli.output import say

    if not document["pools"]:
        say('farm.toml has no pool of provider "owned"')
        return
    for pool in document["pools"]:
        parts = " + ".join(f"{name} {cents(amount)}" for name, amount in pool["parts"].items())
        year = cents(pool["a_year"])
        told = f"{year} = {parts}" if parts else f"{year}, by its price; no tco says of what"
        say(f"{pool['pool']}: a machine a year, {document['currency']}: {told}")
    if document["since"]:
        say(f"use: share of the slots' time that was held, {document['since']} to {document['until']}")
    else:
        say("use: no whole day was measured yet")
    say(
        "rented: by its price; paid: with idle time and starts, as it was. break_even above 100 %: never cheaper"
    )
