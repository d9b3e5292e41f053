"""`penstock simulate`: a recorded queue on a farm under policies, side by side."""

from contextlib import ExitStack
from pathlib import Path

from penstock.cli.output import Leave, print_json, refuse, say
from penstock.cli.simulation.inputs import Asked, Inputs, beside, key_of, read
from penstock.cli.simulation.limits import limit_of
from penstock.cli.simulation.runs import Run, run, written
from penstock.cli.simulation.showing import Steps, showing
from penstock.reports.builds import EXIT_FARM
from penstock.reports.compare import Document, history_document

SCHEMA = 1


def run_simulate(asked: Asked, events: Path | None, html: Path | None, as_json: bool) -> None:
    """Read, replay, print. Leaves with 3 where a bill cannot be right."""
    with showing() as steps:
        steps.begin("reading the history")
        inputs = read(asked)
        runs = replay(inputs, events, steps)
        if html:
            steps.begin("drawing the page")
            _page(inputs, runs, html, steps)
    if as_json:
        print_json(document(inputs, runs))
    else:
        from penstock.cli.simulation.table import print_runs

        print_runs(inputs, runs)
    wrong = [one for one in runs if one.wrong]
    for one in wrong:
        say(f"penstock: {one.key}: {one.wrong}; this is a fault of the simulator")
    if wrong:
        raise Leave(EXIT_FARM)


def replay(inputs: Inputs, events: Path | None, steps: Steps) -> list[Run]:
    """Every policy on every farm; limits once per farm. Events go to `events`, with several runs to one file each."""
    several = len(inputs.farms) * len(inputs.policies) > 1
    runs = []
    for farm in inputs.farms:
        steps.begin(f"{farm.name}: limits")
        limit = limit_of(inputs.workload, farm.rules, inputs.limits)
        for policy in inputs.policies:
            key = key_of(policy, farm, inputs.farms)
            steps.begin(f"{key}: {inputs.workload.jobs:,} jobs")
            with ExitStack() as stack:
                out = beside(events, key) if events and several else events
                sink = stack.enter_context(written(out)) if out else None
                runs.append(run(inputs, key, farm, policy, limit, sink))
    return runs


def document(inputs: Inputs, runs: list[Run]) -> Document:
    """The contract of docs/reference/simulate.md. No figure of the run's own clock: same input, same bytes."""
    return {
        "schema": SCHEMA,
        "seed": inputs.seed,
        "open_loop": True,
        "history": history_document(inputs.workload, inputs.dropped),
        "policies": {one.key: one.document for one in runs},
    }


def _page(inputs: Inputs, runs: list[Run], html: Path, steps: Steps) -> None:
    refuse("--html: not yet")
