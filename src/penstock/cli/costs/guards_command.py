"""`penstock costs guards`, `approve`, `undo`: what they take."""

from typing import Annotated, Any

import typer

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder

COLUMNS = ["guard", "state", "since", "limit", "is", "does", "why"]
JOB_COLUMNS = ["job", "platform", "class", "starts now", "would start"]
JOBS_SHOWN = 20
Which = Annotated[str | None, typer.Argument(metavar="[GUARD]", help="Only this guard.  [default: all]")]
Named = Annotated[str, typer.Argument(metavar="GUARD", help="A guard of farm.toml, by its name.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Also say what would become of the queue if it fired now; nothing is done."
    ),
]
Why = Annotated[str, typer.Option("--reason", help="Why; shown wherever that is shown.")]


def guards(
    guard: Which = None,
    dry_run: DryRun = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where guards of budgets stand: what they see, do, and do next."""
    from penstock.cli.output import print_json, print_table, say
    from penstock.cli.queries import opened

    query = {"guard": guard} if guard is not None else {}
    with opened(farm, state, hub) as found:
        document = found.ask("guards", query | ({"dry_run": "true"} if dry_run else {}))
    if as_json:
        print_json(document)
    elif not document["guards"]:
        say("farm.toml names no [[guard]]")
    else:
        print_table(COLUMNS, [_row(line) for line in document["guards"]])
        for line in document["guards"]:
            say(f"{line['name']}: {line['next']}")
            if dry_run:
                _print_trial(line)


def approve(
    guard: Named,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a guard that asks, or let one act again that was taken back."""
    _tell("approve", {"guard": guard}, (farm, state, hub), as_json)


def undo(
    guard: Named,
    reason: Why = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take a guard back until the period of what it watches ends."""
    _tell("undo", {"guard": guard, "reason": reason}, (farm, state, hub), as_json)


def _tell(what: str, body: dict[str, str], place: tuple[Any, Any, Any], as_json: bool) -> None:
    from penstock.cli.output import clean, print_json
    from penstock.cli.queries import opened

    with opened(*place) as found:
        document = found.tell(what, body)
    if as_json:
        print_json(document)
        return
    done = "is" if document["changed"] else "was already"
    print(clean(f"guard {document['guard']} {done} {document['state']}: {document['reason']}"))


def _row(line: dict[str, Any]) -> list[str]:
    from penstock.cli.costs.printing import moment

    since = line["in_force_since_s"] or line["since_s"]
    spared = f" (not {', '.join(line['exempt'])})" if line["exempt"] else ""
    return [
        line["name"],
        "taken back" if line["undone"] else line["state"],
        "-" if since is None else moment(since),
        line["when"],
        "-" if line["percent"] is None else f"{line['percent']:.1f} %",
        ", ".join(line["then"]) + spared,
        line["reason"] or "-",
    ]


def _print_trial(line: dict[str, Any]) -> None:
    """What would become of the queue."""
    from penstock.cli.output import print_table, say

    trial = line["dry_run"]
    if trial is None:
        say(f"{line['name']}: it is in force already")
        return
    looked = f"of the first {trial['jobs_looked_at']} queued jobs"
    if not trial["moves"]:
        say(f"{line['name']}: if it fired now, none {looked} would be moved")
        return
    for move in trial["moves"]:
        say(f"{line['name']}: if it fired now, {move['jobs']} {looked} {_way(move)}")
    rows = [
        [job["name"], job["platform"], job["class"], _start(job["before"]), _start(job["after"])]
        for job in trial["jobs"][:JOBS_SHOWN]
    ]
    print_table(JOB_COLUMNS, rows)
    if len(trial["jobs"]) > JOBS_SHOWN:
        say(f"and {len(trial['jobs']) - JOBS_SHOWN} more: --json has all")


def _way(move: dict[str, Any]) -> str:
    if move["from"] == move["to"]:
        return f"would start at another time in pool {move['to']}"
    before = f"instead of going to pool {move['from']}" if move["from"] else "that wait"
    return f"would go to pool {move['to']}, {before}" if move["to"] else f"would wait, {before}"


def _start(place: dict[str, Any] | None) -> str:
    from penstock.hub.explain.told import span

    if place is None:
        return "waits"
    new = " (ordered)" if place["ordered"] else ""
    return f"{place['pool']}{new} in {span(round(1000 * place['start_s']))}"
