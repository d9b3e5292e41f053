"""Why a job is where it is, and what will move it: in sentences, and as reasons for programs."""

from collections import Counter
from dataclasses import dataclass

import msgspec

from penstock.hub import placer
from penstock.hub.context import Hub, NotFound
from penstock.hub.steps import look
from penstock.model.artifact import Module
from penstock.model.decision import Reason
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Edge, Job
from penstock.model.machine import Machine
from penstock.model.snapshot import ask_of
from penstock.model.states import JobState
from penstock.model.units import decimal_text, seconds
from penstock.policy import ordering, suitability
from penstock.ports import Tx


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. `subject` is the machine, job or attempt that it is about."""

    subject: str
    code: str
    text: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a job: sentences in order, and the reasons behind them."""

    job: str
    state: str
    sentences: tuple[str, ...]
    reasons: tuple[About, ...] = ()


@dataclass(frozen=True)
class _View:
    """Everything that is looked at, from one consistent view."""

    hub: Hub
    tx: Tx
    farm: Farm
    job: Job
    attempts: list[Attempt]


def explain(hub: Hub, job_id: str) -> Explanation:
    """Explain one job. Raises NotFound."""

    def read(tx: Tx, farm: Farm) -> Explanation:
        job = tx.get(Job, job_id)
        if job is None:
            raise NotFound("job", job_id)
        view = _View(hub, tx, farm, job, tx.find(Attempt, "job", job_id))
        sentences, reasons = _said(view)
        return Explanation(
            job=job_id, state=job.state, sentences=(*sentences, *_history(view)), reasons=tuple(reasons)
        )

    return look(hub, read)


Said = tuple[list[str], list[About]]


def _said(view: _View) -> Said:
    job = view.job
    ways = {
        JobState.QUEUED: _queued,
        JobState.BLOCKED: _blocked,
        JobState.HELD: _held,
        JobState.OFFERED: _on_machine,
        JobState.RUNNING: _on_machine,
    }
    return ways[job.state](view) if job.open else _ended(view)


def _queued(view: _View) -> Said:
    """Which machines do not take it, and why; how many go before it."""
    job = view.job
    sentences = [f"{job.name} is queued: {job.reason}."]
    if job.not_before_ms > view.farm.time_ms:
        sentences.append(f"It is tried again in {seconds(job.not_before_ms - view.farm.time_ms):.0f} s.")
    snapshot = placer.load(view.hub, view.tx, view.farm)
    reasons = []
    for pool in view.hub.rules.pools:
        for machine in view.tx.find(Machine, "pool", pool.name):
            found = suitability.why_not(ask_of(job), machine, snapshot) or [Reason("free", "it has room now")]
            reasons += [About(subject=machine.name, code=why.code, text=why.text) for why in found]
    return [*sentences, _before(view), *_counted(reasons)], reasons


def _before(view: _View) -> str:
    queue = view.tx.find(Job, "state", JobState.QUEUED)
    ahead = sum(ordering.order_key(other) < ordering.order_key(view.job) for other in queue)
    return f"{ahead} jobs go before it." if ahead != 1 else "1 job goes before it."


def _counted(reasons: list[About]) -> list[str]:
    """One sentence per reason, with the machines that it is true of."""
    if not reasons:
        return ["The farm has no machine."]
    counts = Counter(reason.text for reason in reasons)
    lines = []
    for text, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        names = sorted(reason.subject for reason in reasons if reason.text == text)
        more = f" and {count - 3} more" if count > 3 else ""
        lines.append(f"{', '.join(names[:3])}{more}: {text}.")
    return lines


def _blocked(view: _View) -> Said:
    job = view.job
    if job.waits_on:
        producer = view.tx.get(Job, job.waits_on)
        state = producer.state if producer else "gone"
        text = f"{job.waits_on} makes the same key and is {state}"
        return [f"{job.name} waits: {text}."], [About(subject=job.waits_on, code="shared", text=text)]
    edges = [edge for edge in view.tx.find(Edge, "child", job.id) if not edge.met]
    parents = [parent for edge in edges if (parent := view.tx.get(Job, edge.parent)) is not None]
    reasons = [
        About(subject=p.id, code="parent", text=f"needs {p.name}, which is {p.state}") for p in parents
    ]
    return [f"{job.name} is blocked: {why.text}." for why in reasons], reasons


def _held(view: _View) -> Said:
    job = view.job
    why = About(subject=job.id, code="held", text=job.reason)
    return [f"{job.name} is held: {job.reason}. It goes on when somebody releases it."], [why]


def _on_machine(view: _View) -> Said:
    job, last = view.job, view.attempts[-1]
    machine = view.tx.get(Machine, last.machine)
    name = machine.name if machine else last.machine
    since_s = seconds(max(0, view.farm.time_ms - last.granted_ms))
    verb = {"offered": "is offered to", "running": "runs on", "finishing": "has run on"}[last.state]
    sentences = [
        f"{job.name} {verb} {name} since {since_s:.0f} s, attempt {last.n}.",
        f"Why there: {last.why}.",
    ]
    if not job.wanted:
        sentences.append("Its own build gave it up; others wait for its key.")
    return sentences, [About(subject=name, code="placed", text=last.why)]


def _ended(view: _View) -> Said:
    job = view.job
    sentences = [f"{job.name} ended as {job.state}: {job.reason}.", *_why_it_ran(view)]
    reasons = [About(subject=job.culprit or job.id, code=str(job.state), text=job.reason)]
    culprit = view.tx.get(Job, job.culprit) if job.culprit else None
    if culprit is not None:
        sentences.append(f"The culprit is {culprit.name} ({culprit.id}): {culprit.reason}.")
    module = view.tx.get(Module, job.spec.trust, job.key) if job.key else None
    if module is not None and module.other_output:
        sentences.append(f"Its key is not reproducible: {module.other_output} was made, too.")
    return sentences, reasons


def _why_it_ran(view: _View) -> list[str]:
    """Why a job that has attempts was not reused, as it was said when it was queued."""
    told = [event for event in view.tx.find(Event, "job", view.job.id) if event.kind == "job"]
    queued = [event.reason for event in told if event.state == JobState.QUEUED]
    return [f"It ran because it was not reused: {queued[0]}."] if queued and view.attempts else []


def _history(view: _View) -> list[str]:
    """One sentence per attempt that has ended, and what they cost together."""
    ended = [attempt for attempt in view.attempts if attempt.settled]
    lines = [_of_attempt(view, attempt) for attempt in ended]
    if not ended:
        return []
    cost = decimal_text(sum(attempt.cost_micros for attempt in ended))
    return [*lines, f"Attempts cost {cost} {view.hub.rules.currency} so far."]


def _of_attempt(view: _View, attempt: Attempt) -> str:
    """How one attempt ended, where, and why it was there."""
    machine = view.tx.get(Machine, attempt.machine)
    where = f"{machine.name} of pool {attempt.pool}" if machine else attempt.machine
    cause = f": {attempt.cause}" if attempt.cause else ""
    ran = f" after {seconds(attempt.ended_ms - attempt.started_ms):.1f} s" if attempt.started_ms else ""
    return (
        f"Attempt {attempt.n} on {where} ended as {attempt.state}{ran}{cause}; placed there: {attempt.why}."
    )
