"""`penstock costs rightsize`: what it takes."""

from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

Days = Annotated[int, typer.Option("--days", min=1, max=3660, help="So many days, the last included.")]
Margin = Annotated[
    int, typer.Option("--margin", min=0, max=1000, help="Percent more than what was used that is left.")
]
JOBS = (
    "project", "name", "platform", "attempts", "asked_cores", "p95_cores", "cores", "asked_memory_mb", "p95_memory_mb",
    "most_memory_mb", "memory_mb", "cost", "saving", "why",
)  # fmt: skip
POOLS = (
    "pool", "machines", "slots", "p95_machines_up", "p95_slots_held", "needed", "machine_cores", "p95_cores_at_work",
    "held_share",
)  # fmt: skip


def rightsize(
    days: Days = 28,
    until: Until = None,
    margin: Margin = 20,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what jobs and machines asked for beside what they used, and what smaller sizes would save."""
    from penstock.cli.costs.tables import forms, query_of, show
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    with opened(farm, state, hub) as found:
        document = found.ask("rightsize", query_of(None, until, days=days, margin=margin))
    rows = [[line[name] for name in JOBS] for line in document["jobs"]]
    if show(document, JOBS, rows, as_json, as_csv):
        print()
        show(document, POOLS, [[line[name] for name in POOLS] for line in document["pools"]], False, False)
        _say(document)


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.output import say

    say(
        f"{document['since']} to {document['until']}: smaller sizes would have saved up to "
        f"{document['saving']} {document['currency']}"
    )
    for name, text in document["definitions"].items():
        say(f"{name}: {text}")
