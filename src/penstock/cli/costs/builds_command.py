"""`penstock costs builds`: what it takes."""

from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv, Since, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

BuildArgument = Annotated[str | None, typer.Argument(metavar="[ID]", help="One build, by job and attempt.")]
Top = Annotated[int, typer.Option("--top", min=1, max=1000, help="How many of the dearest builds are named.")]
UNITS = ("project", "builds", "passed", "spent", "mean", "p50", "p90", "each", "loaded")
BUILDS = ("build", "project", "branch", "state", "amount", "passed", "failed", "lost", "dropped", "attempts")
ATTEMPTS = (
    "job",
    "n",
    "attempt",
    "pool",
    "machine",
    "state",
    "held_s",
    "price_per_hour",
    "cost",
    "entered",
    "entries",
)


def builds(
    build: BuildArgument = None,
    since: Since = None,
    until: Until = None,
    top: Top = 20,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what a build costs that passes, and which builds cost most; or what one build cost."""
    from penstock.cli.costs.tables import forms, query_of
    from penstock.cli.output import refuse
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    if build is not None and (since or until):
        refuse("--from and --until choose among builds: leave them out with the id of one")
    query = {"build": build} if build is not None else query_of(since, until, top=top)
    with opened(farm, state, hub) as found:
        document = found.ask("builds" if build is None else "build", query)
    if build is None:
        _show_all(document, as_json, as_csv)
    else:
        _show_one(document, as_json, as_csv)


def _show_all(document: dict[str, Any], as_json: bool, as_csv: bool) -> None:
    from penstock.cli.costs.tables import show
    from penstock.cli.output import say

    lines = document["builds"]
    if as_json or as_csv:
        show(document, BUILDS, [[line[name] for name in BUILDS] for line in lines], as_json, as_csv)
        return
    show(document, UNITS, [[unit[name] for name in UNITS] for unit in document["projects"]], False, False)
    print()
    show(document, BUILDS, [[line[name] for name in BUILDS] for line in lines], False, False)
    say(f"builds created from {document['since']} to {document['until']}, {document['currency']}")
    for name, text in document["definitions"].items():
        say(f"{name}: {text}")
    say("rows behind a build: penstock costs builds ID, penstock costs entries --build ID")


def _show_one(document: dict[str, Any], as_json: bool, as_csv: bool) -> None:
    from penstock.cli.costs.tables import show
    from penstock.cli.output import say

    rows = [
        [job["name"], *(attempt[name] for name in ATTEMPTS[1:])]
        for job in document["jobs"]
        for attempt in job["attempts"]
    ]
    if show(document, ATTEMPTS, rows, as_json, as_csv):
        running = f"; {document['running']} attempts still run" if document["running"] else ""
        say(
            f"attempts of {document['build']} that ended cost {document['cost']} {document['currency']}{running}"
        )
        say(f"rows behind it: penstock costs entries --build {document['build']}")
