"""The command line: which commands there are, and what they take.

Each command imports its own room when it is called, so that `penstock --help` needs none of them.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock import __version__
from penstock.cli import farm_commands, history, hub_commands, pools, query_commands, simulation_commands
from penstock.cli.costs import app as costs
from penstock.cli.hubs import reaching
from penstock.cli.options import (
    AsJson,
    Dirty,
    FarmFile,
    HubUrl,
    JobArgument,
    NoSandbox,
    SourceArgument,
    StateFolder,
)
from penstock.cli.output import Leave, say
from penstock.reports.builds import EXIT_BAD_INPUT, EXIT_FARM

app = typer.Typer(
    name="penstock",
    help="A hybrid build farm: own machines first, the cloud when the queue backs up, nothing built twice.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Typer carries a click of its own whose exceptions it does not export by name; this one is their root.
ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

INTERRUPTED = 130

app.command()(hub_commands.serve)
app.command()(hub_commands.migrate)
app.add_typer(hub_commands.tokens_app, name="tokens")
app.add_typer(costs.app, name="costs")
app.add_typer(pools.app, name="pools")
app.add_typer(history.app, name="history")
for simulating in simulation_commands.ALL:
    app.command()(simulating)
for command in (farm_commands.backup, farm_commands.restore):
    app.command()(command)
HUBS: tuple[Callable[..., None], ...] = (
    query_commands.submit,
    query_commands.builds,
    query_commands.jobs,
    query_commands.events,
    query_commands.replay,
    farm_commands.freeze,
    farm_commands.thaw,
)
for asking in HUBS:
    app.command()(reaching(asking))


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """A hybrid build farm: own machines first, the cloud when the queue backs up, nothing built twice."""
    if version:
        print(f"penstock {__version__}")
        raise Leave(0)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the build instead of serving.")] = False,
    as_json: AsJson = False,
    state: Annotated[Path, typer.Option("--state", help="Where the demo lives.")] = Path("penstock-demo"),
    listen: Annotated[str, typer.Option("--listen", help="Address of the page.")] = "127.0.0.1:8010",
) -> None:
    """Build real C libraries from Debian's sources on two platforms, with two local agents."""
    from penstock.cli.demo import run_demo

    run_demo(once, as_json, state, listen)


@app.command()
def plan(
    source: Annotated[Path, typer.Argument(help="A folder with .penstock.yml, or a Qt super-repository.")],
    changed: Annotated[
        list[str] | None, typer.Option("--changed", help="Only this module changed; may be repeated.")
    ] = None,
    dirty: Dirty = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Print the graph of jobs that a change would run. Runs nothing."""
    from penstock.cli.plan import run_plan

    run_plan(source, changed or [], dirty, farm, state, as_json)


@app.command()
def build(
    source: SourceArgument,
    dirty: Dirty = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Jobs at once per pool.")] = None,
    no_sandbox: NoSandbox = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Plan and run a build with an embedded farm in this process, then stop."""
    from penstock.cli.build import run_build

    run_build(source, dirty, jobs, no_sandbox, farm, state, as_json)


@app.command()
@reaching
def logs(
    job: JobArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
) -> None:
    """Print what a job printed (its newest attempt)."""
    from penstock.cli.queries import show_log

    show_log(job, follow, farm, state, hub)


@app.command()
@reaching
def outputs(
    job: JobArgument,
    save: Annotated[Path | None, typer.Option("--save", help="Unpack them into this new folder.")] = None,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the files that a job made: its installed tree, its artifacts."""
    from penstock.cli.outputs import show_outputs

    show_outputs(job, save, farm, state, hub, as_json)


@app.command()
@reaching
def explain(
    job: JobArgument,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say why a job waits, runs where it runs, or ended as it did."""
    from penstock.cli.queries import show_explanation

    show_explanation(job, farm, state, hub, as_json)


@app.command()
@reaching
def machines(
    farm: FarmFile = None, state: StateFolder = None, hub: HubUrl = None, as_json: AsJson = False
) -> None:
    """List machines with power, health and session."""
    from penstock.cli.machines import show_machines

    show_machines(farm, state, hub, as_json)


@app.command()
@reaching
def cancel(
    target: Annotated[str, typer.Argument(help="The id of a job or of a build.")],
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a job or a whole build; what another build waits for runs on."""
    from penstock.cli.queries import act

    act("cancel", target, "", farm, state, hub, as_json)


@app.command()
@reaching
def retry(
    job: JobArgument,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Submit the build of a job again; what has passed is reused."""
    from penstock.cli.queries import act

    act("retry", job, "", farm, state, hub, as_json)


@app.command()
@reaching
def quarantine(
    machine: Annotated[str, typer.Argument(help="The id of a machine.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; shown wherever the machine is.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take it back into use.")] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Keep a machine from getting new work, or let it have work again."""
    from penstock.cli.queries import act

    act("unquarantine" if lift else "quarantine", machine, reason, farm, state, hub, as_json)


@app.command()
@reaching
def console(
    machine: Annotated[str, typer.Argument(help="The id of a machine.")],
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print the last that a rented machine said on its console, as its provider keeps it."""
    from penstock.cli.machines import show_console

    show_console(machine, farm, state, hub, as_json)


@app.command()
@reaching
def retire(
    machine: Annotated[str, typer.Argument(help="The id of a machine.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; shown wherever the machine is.")] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a machine end what it runs and leave the farm for good; a rented one is given back."""
    from penstock.cli.queries import act

    act("retire", machine, reason, farm, state, hub, as_json)


@app.command()
@reaching
def hold(
    job: JobArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown wherever the job is.")] = "",
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Keep a job from starting until it is released."""
    from penstock.cli.queries import act

    act("hold", job, reason, farm, state, hub, as_json)


@app.command()
@reaching
def release(
    job: JobArgument,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a held job go on."""
    from penstock.cli.queries import act

    act("release", job, "", farm, state, hub, as_json)


@app.command()
@reaching
def drain(
    machine: Annotated[str, typer.Argument(help="The id of a machine.")],
    lift: Annotated[bool, typer.Option("--lift", help="Take the drain back.")] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a machine end what it runs and take nothing more."""
    from penstock.cli.queries import act

    act("undrain" if lift else "drain", machine, "", farm, state, hub, as_json)


@app.command()
@reaching
def fsck(
    deep: Annotated[bool, typer.Option("--deep", help="Read and digest every stored object again.")] = False,
    farm: FarmFile = None,
    state: StateFolder = None,
    hub: HubUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check the invariants of the database and that every output is in the archive. Changes nothing."""
    from penstock.cli.queries import show_fsck

    show_fsck(deep, farm, state, hub, as_json)


@app.command()
def check(farm: Annotated[Path, typer.Argument(help="A farm.toml.")], as_json: AsJson = False) -> None:
    """Name every mistake of a farm.toml by line."""
    from penstock.cli.plan import run_check

    run_check(farm, as_json)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def agent(context: typer.Context) -> None:
    """Run the agent on this machine; see `penstock agent --help`."""
    from penstock.agent.__main__ import main as run_agent

    raise Leave(run_agent(context.args))


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns the exit status: 0 passed, 1 failed, 2 bad input (one line), 3 the farm failed."""
    try:
        # Typer turns Ctrl-C into the status 130, which it returns.
        status = app(args=list(arguments) or ["--help"], prog_name="penstock", standalone_mode=False) or 0
        if status == INTERRUPTED:
            say("penstock: interrupted; run the same command again to go on")
        return int(status)
    except Leave as leave:
        return leave.status
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_FARM
    except Exception as problem:
        return _report(problem)


def _report(problem: Exception) -> int:
    """Bad input is a line and exit 2; what the world did to the farm a line and 3; a fault of ours is shown whole, and 3."""
    if isinstance(problem, ClickException):
        say(f"penstock: {problem.format_message().rstrip('.')}; see `penstock --help`")
        return EXIT_BAD_INPUT
    from penstock.cli.problems import farm_line, lines_of

    lines = lines_of(problem)
    for line in lines or []:
        say(line)
    if lines is not None:
        return EXIT_BAD_INPUT
    said = farm_line(problem)
    if said is None:
        traceback.print_exception(problem)
    else:
        say(said)
    return EXIT_FARM
