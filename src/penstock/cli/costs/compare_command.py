"""`penstock costs compare`: what it takes."""

from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

Pools = Annotated[
    str,
    typer.Option(
        "--pools", metavar="NAMES", help="Two pools or more, with commas between.  [default: each two]"
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first day, UTC.  [default: 28 days in all]")
]
POOLS = ("pool", "runs", "cost", "loaded", "wait_p50_s", "wait_p95_s", "run_p50_s", "run_p95_s")
COMMITS = ("project", "commits", "spent", "each")


def compare(
    pools: Pools = "",
    since: From = None,
    until: Until = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what the same work costs, and how long it takes, by pool."""
    from penstock.cli.costs.tables import forms, query_of, show
    from penstock.cli.output import refuse
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    if pools and len({name for name in pools.split(",") if name}) < 2:
        refuse(f"--pools {pools}: write two pools or more, as own,burst")
    with opened(farm, state, hub) as found:
        document = found.ask("compare", query_of(since, until, pools=pools))
    rows = [
        ["+".join(one["pools"]), one["like_for_like"], one["pairs"], *(line[name] for name in POOLS)]
        for one in document["comparisons"]
        for line in one["lines"]
    ]
    if as_json or as_csv:
        show(document, ("compared", "like_for_like", "pairs", *POOLS), rows, as_json, as_csv)
    else:
        _say(document)


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.output import print_table, say

    for one in document["comparisons"]:
        print_table(
            POOLS, [["-" if line[name] is None else line[name] for name in POOLS] for line in one["lines"]]
        )
        pairs = f"{one['pairs']} pairs: " if one["like_for_like"] else ""
        say(f"{pairs}{one['says']}")
        print()
    lines = [
        [line["project"] or "-", *(line[name] for name in COMMITS[1:])] for line in document["per_commit"]
    ]
    if document["all_commits"] is not None:
        lines.append(["all", *(document["all_commits"][name] for name in COMMITS[1:])])
    print_table(COMMITS, lines)
    say(f"{document['since']} to {document['until']}, {document['currency']}")
    for warning in document["warnings"]:
        say(f"warning: {warning}")
    for name, text in document["definitions"].items():
        say(f"{name}: {text}")
