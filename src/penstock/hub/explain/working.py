"""Where a job runs, since when and why there, and when it should end."""

from penstock.hub.explain.told import About, Said, View, expectation, machine_name, span
from penstock.hub.outlook import Outlook, of_end
from penstock.model.pool_foreign import OURS
from penstock.model.states import AttemptState
from penstock.model.units import seconds

VERBS = {"offered": "is offered to", "running": "runs on", "finishing": "has run on"}


def at_work(view: View) -> Said:
    """A job that is offered or runs."""
    job, last = view.job, view.attempts[-1]
    name = machine_name(view.tx, last.machine)
    since_s = seconds(max(0, view.farm.time_ms - last.granted_ms))
    sentences = [
        f"{job.name} {VERBS[last.state]} {name} since {since_s:.0f} s, attempt {last.n}.",
        f"Why there: {last.why}.",
    ]
    ends = of_end(view.tx, view.farm, job, last) if last.state == AttemptState.RUNNING else None
    if ends is not None and not ends.runs and job.spec.agent != OURS:
        ends = None  # how long it may take says its own system
    if ends is not None:
        sentences.append(_ends(ends, job.spec.timeout_ms))
    if not job.wanted:
        sentences.append("Its own build gave it up; others wait for its key.")
    return Said(
        sentences=sentences, reasons=[About(subject=name, code="placed", text=last.why)], expected=ends
    )


def _ends(ends: Outlook, timeout_ms: int) -> str:
    if ends.runs:
        runs = "1 earlier run" if ends.runs == 1 else f"{ends.runs} earlier runs"
        return f"It is expected to end {expectation(ends)}, from {runs}."
    return f"No run of it has passed here yet: it ends at the latest by its time limit of {span(timeout_ms)}."
