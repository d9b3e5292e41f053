"""The commands that ask a hub to build, and that look at what it has built and at what happens."""

from typing import Annotated

import typer

from penstock.cli.options import AsJson, FarmFile, HubUrl, StateFolder


def submit(
    source: Annotated[
        str, typer.Argument(help="A repository: its address, or on the hub's machine a folder.")
    ],
    ref: Annotated[str, typer.Option("--ref", help="A branch, tag or commit.")] = "HEAD",
    path: Annotated[str, typer.Option("--path", help="The folder in it that has .penstock.yml.")] = ".",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the result; exit 1 when something failed.")
    ] = False,
    project: Annotated[
        str, typer.Option("--project", help="What to call it; whose share it has its repository says.")
    ] = "",
    priority: Annotated[
        int | None, typer.Option("--priority", help="Higher goes first, as far as rules allow.")
    ] = None,
    klass: Annotated[str | None, typer.Option("--class", help="change, try, nightly or release.")] = None,
    limit_s: Annotated[
        int | None,
        typer.Option("--expire", min=1, help="Seconds after which a job that still waits expires."),
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help="For whom; only an operator names others.")] = None,
    request: Annotated[
        str, typer.Option("--request", help="An id of this call: with the same one it is the same build.")
    ] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a hub build a repository at a ref. Prints the build's id; with --wait its result."""
    from penstock.cli.submit import Order, run_submit

    order = Order(
        source=source,
        ref=ref,
        path=path,
        project=project,
        priority=priority,
        klass=klass,
        limit_s=limit_s,
        who=who,
        request=request,
    )
    run_submit(order, wait, farm, state, hub, as_json)


def builds(
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many of the newest; 200.")] = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """List builds, the newest first."""
    from penstock.cli.queries import show_builds

    show_builds(limit, farm, state, hub, as_json)


def jobs(
    build_id: Annotated[str | None, typer.Option("--build", help="Only the jobs of this build.")] = None,
    states: Annotated[
        list[str] | None, typer.Option("--only", help="Only jobs in this state; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many, those of the newest builds first.")
    ] = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """List jobs with their attempts."""
    from penstock.cli.queries import Jobs, show_jobs

    show_jobs(Jobs(build_id, states or (), limit), farm, state, hub, as_json)


def events(
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many of the last ones.")] = 100,
    build_id: Annotated[str, typer.Option("--build", help="Only of this build.")] = "",
    job: Annotated[str, typer.Option("--job", help="Only of this job.")] = "",
    machine: Annotated[str, typer.Option("--machine", help="Only of this machine.")] = "",
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="Only of this kind: job, build, machine, farm, attempt, capacity, download, enrolment, token.",
        ),
    ] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print what happened, a line each, oldest first; with --json and -f as JSON Lines."""
    from penstock.cli.events import Wanted, show_events

    wanted = Wanted(limit=limit, build=build_id, job=job, machine=machine, kind=kind)
    show_events(wanted, following, farm, state, hub, as_json)


def replay(
    farm: FarmFile = None, state: StateFolder = None, hub: HubUrl = None, as_json: AsJson = False
) -> None:
    """Make the recorded decisions of the capacity policy once more, and say which come out otherwise."""
    from penstock.cli.replay import show_replay

    show_replay(farm, state, hub, as_json)
