"""`penstock simulate`: a recorded queue on a farm under policies, side by side."""

from contextlib import ExitStack
from pathlib import Path

from penstock.cli.output import Leave, print_json, refuse, say
from penstock.cli.simulation.inputs import Asked, Inputs, beside, key_of, read
from penstock.cli.simulation.limits import limit_of
from penstock.cli.simulation.runs import Run, check_out, run, written
from penstock.cli.simulation.showing import Steps, showing
from penstock.cli.simulation.stuck import never_started
from penstock.cli.simulation_page.machines import Machines
from penstock.reports.builds import EXIT_FARM
from penstock.reports.compare import Document, history_document

SCHEMA = 1


def run_simulate(asked: Asked, events: Path | None, html: Path | None, as_json: bool) -> None:
    """Read, replay, print. Leaves with 3 where a bill cannot be right."""
    check_out(events)
    check_out(html)
    with showing() as steps:
        steps.begin("reading the history")
        inputs = read(asked)
        watchers: list[Machines] | None = [] if html else None
        runs = replay(inputs, events, watchers, steps)
        if html and watchers:
            _page(inputs, runs, watchers, html, steps)
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


def replay(inputs: Inputs, events: Path | None, watchers: list[Machines] | None, steps: Steps) -> list[Run]:
    """Every policy on every farm; limits once per farm. Events go to `events`, with several runs to one file each.

    `watchers`: a list that gets what each run's page wants of its events; None where no page is wanted.
    """
    several = len(inputs.farms) * len(inputs.policies) > 1
    runs: list[Run] = []
    for farm in inputs.farms:
        steps.begin(f"{farm.name}: limits")
        limit = limit_of(inputs.workload, farm.rules, inputs.limits)
        for policy in inputs.policies:
            key = key_of(policy, farm, inputs.farms)
            steps.begin(f"{key}: {inputs.workload.jobs:,} jobs")
            with ExitStack() as stack:
                out = beside(events, key) if events and several else events
                sinks = [stack.enter_context(written(out))] if out else []
                if watchers is not None:
                    watchers.append(Machines())
                    sinks.append(watchers[-1].take)
                runs.append(run(inputs, key, farm, policy, limit, sinks))
            if policy == inputs.policies[0]:
                _check(inputs, runs[-1])
            for line in never_started(inputs.workload, runs[-1].outcome, farm, inputs.faults):
                say(f"penstock: {key}: {line}")
    return runs


def document(inputs: Inputs, runs: list[Run]) -> Document:
    """The contract of docs/reference/simulate.md. No figure of the run's own clock: same input, same bytes."""
    return {
        "schema": SCHEMA,
        "seed": inputs.seed,
        "open_loop": True,
        "history": history_document(inputs.workload, inputs.dropped | not_taken(inputs, runs)),
        "policies": {one.key: one.document for one in runs},
    }


def not_taken(inputs: Inputs, runs: list[Run]) -> dict[str, int]:
    """Jobs that no pool of a farm takes, by reason; with several farms the reason names the farm."""
    several = len(inputs.farms) > 1
    return {
        f"{reason} ({one.farm.name})" if several else reason: count
        for one in runs
        for reason, count in one.outcome.dropped.items()
    }


def _check(inputs: Inputs, one: Run) -> None:
    """Say which jobs a farm does not take; refuse a farm that takes none."""
    for reason, count in one.outcome.dropped.items():
        say(f"penstock: farm {one.farm.name}: {count} of {inputs.workload.jobs} jobs never run: {reason}")
    if sum(one.outcome.dropped.values()) == inputs.workload.jobs:
        had = sorted({platform for pool in one.farm.rules.pools for platform in pool.platforms})
        wanted = ", ".join(map(repr, inputs.workload.platforms[:5]))
        refuse(
            f"farm {one.farm.name}: no pool takes a job of this history; its platforms are {wanted}, the pools have {had}"
        )


def _page(inputs: Inputs, runs: list[Run], watchers: list[Machines], html: Path, steps: Steps) -> None:
    """Make the curves, draw, write."""
    from penstock.cli.simulation_page.curves import curves_of
    from penstock.cli.simulation_page.page import page
    from penstock.cli.simulation_page.story import told

    curves = curves_of(inputs, runs[0], steps)
    steps.begin("drawing the page")
    text = page(inputs, [told(one, seen) for one, seen in zip(runs, watchers, strict=True)], curves)
    with written(html) as write:
        write(text.encode())
