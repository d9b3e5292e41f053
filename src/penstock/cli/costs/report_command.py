"""`penstock costs report`: what it takes."""

import re
from typing import Annotated, Any

import typer

from penstock.cli.costs.tables import AsCsv, Since, Until
from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAMES",
        help="project, branch, platform, pool, offer, class, month, day, outcome, with commas between.",
    ),
]
Top = Annotated[
    int | None, typer.Option("--top", min=1, help="Name only the dearest; the others are one row.")
]
MONEY = ("direct", "idle", "lifecycle", "overhead", "storage", "egress", "total", "marginal", "loaded")
COUNTS = ("attempts", "passed", "held_s")


def report(
    by: By = "project",
    since: Since = None,
    until: Until = None,
    top: Top = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what was spent on what, marginal and fully loaded."""
    from penstock.cli.costs.tables import forms, query_of, show
    from penstock.cli.queries import opened

    forms(as_json, as_csv)
    _check(by)
    with opened(farm, state, hub) as found:
        document = found.ask("report", query_of(since, until, by=by, top=top))
    names = document["by"]
    people = show(
        document,
        (*names, *MONEY, *COUNTS),
        [*_rows(document), *([] if as_csv else _sums(document))],
        as_json,
        as_csv,
    )
    if people:
        _say(document)


def _check(by: str) -> None:
    from penstock.cli.output import refuse
    from penstock.reports.costs import BY_BRANCH, KEYS
    from penstock.web.costs.report import BY

    for name in by.split(","):
        if name not in KEYS:
            refuse(f"--by {name}: write some of {', '.join(KEYS)}")
    if not re.match(BY, by):
        refuse(
            f"--by {by}: a branch goes with {', '.join(BY_BRANCH)} alone: builds have it, and run in many pools"
        )


def _rows(document: dict[str, Any]) -> list[list[object]]:
    return [_cells(line, [line["of"][name] for name in document["by"]]) for line in document["rows"]]


def _sums(document: dict[str, Any]) -> list[list[object]]:
    """The last rows: what was not named, and all together."""
    others, empty = document["others"], [""] * (len(document["by"]) - 1)
    more = [_cells(others, [f"{others['rows']} others", *empty])] if others else []
    return [*more, _cells(document["total"], ["all", *empty])]


def _cells(line: dict[str, Any], of: list[str]) -> list[object]:
    return [*of, *(line[name] for name in (*MONEY, *COUNTS))]


def _say(document: dict[str, Any]) -> None:
    from penstock.cli.costs.printing import moment
    from penstock.cli.output import say

    until = document["entered_until_s"]
    entered = "nothing is entered yet" if until is None else f"entered until {moment(until)} UTC"
    # Below nothing: attempts are entered to the millisecond, the life of machines of the farm's own in steps.
    if document["unentered"] is not None and not document["unentered"].startswith("-"):
        entered += f"; {document['unentered']} has run up on machines since"
    say(f"{document['since']} to {document['until']}, {document['currency']}; {entered}")
    for name, text in document["definitions"].items():
        say(f"{name}: {text}")
