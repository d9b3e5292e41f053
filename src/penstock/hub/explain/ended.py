"""How a job ended, why it was built or reused, where it ran and why there, and what it cost."""

from penstock.hub.explain.told import About, Said, View
from penstock.model.artifact import Module
from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import JobState
from penstock.model.units import decimal_text, seconds


def over(view: View) -> Said:
    """A job in a terminal state."""
    job = view.job
    sentences = [f"{job.name} ended as {job.state}: {job.reason}.", *_why_it_ran(view)]
    reasons = [About(subject=job.culprit or job.id, code=str(job.state), text=job.reason)]
    culprit = view.tx.get(Job, job.culprit) if job.culprit else None
    if culprit is not None:
        sentences.append(f"The culprit is {culprit.name} ({culprit.id}): {culprit.reason}.")
    module = view.tx.get(Module, job.spec.trust, job.key) if job.key else None
    if module is not None and module.other_output:
        sentences.append(f"Its key is not reproducible: {module.other_output} was made, too.")
    return Said(sentences=sentences, reasons=reasons)


def history(view: View) -> list[str]:
    """One sentence per attempt that has ended, and what they cost together."""
    settled = [attempt for attempt in view.attempts if attempt.settled]
    lines = [_of_attempt(view, attempt) for attempt in settled]
    if not settled:
        return []
    cost = decimal_text(sum(attempt.cost_micros for attempt in settled))
    return [*lines, f"Attempts cost {cost} {view.hub.rules.currency} so far."]


def _why_it_ran(view: View) -> list[str]:
    """Why a job that has attempts was not reused, as it was said when it was queued."""
    told = [event for event in view.tx.find(Event, "job", view.job.id) if event.kind == "job"]
    queued = [event.reason for event in told if event.state == JobState.QUEUED]
    return [f"It ran because it was not reused: {queued[0]}."] if queued and view.attempts else []


def _of_attempt(view: View, attempt: Attempt) -> str:
    """How one attempt ended, where, and why it was there."""
    machine = view.tx.get(Machine, attempt.machine)
    where = f"{machine.name} of pool {attempt.pool}" if machine else attempt.machine
    cause = f": {attempt.cause}" if attempt.cause else ""
    ran = f" after {seconds(attempt.ended_ms - attempt.started_ms):.1f} s" if attempt.started_ms else ""
    return (
        f"Attempt {attempt.n} on {where} ended as {attempt.state}{ran}{cause}; placed there: {attempt.why}."
    )
