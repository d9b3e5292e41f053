"""Why a job is blocked or held: what it waits for, down to what is at work, and who may let it go on."""

from penstock.hub.explain.told import About, Said, View, expectation, machine_name
from penstock.hub.explain.waiting import starts
from penstock.hub.outlook import Outlook, Scene, of_end
from penstock.model.job import Attempt, Edge, Job
from penstock.model.states import JobState
from penstock.ports import Tx

LONGEST = 50
"""A chain of more jobs is told up to here."""
SHOWN = 5
"""So many of the jobs that it waits for are named one by one."""
_FIRST = (JobState.BLOCKED, JobState.HELD, JobState.QUEUED, JobState.OFFERED, JobState.RUNNING)
"""Of several parents the chain follows the one that is furthest from its end."""


def blocked(view: View) -> Said:
    """What it waits for, the chain to what is at work, and when that moves."""
    job = view.job
    chain = _chain(view.tx, job)
    said = _shared(view.tx, job) if job.waits_on else _needs(view.tx, job)
    if len(chain) > 1:
        said.sentences.append("The chain: " + ", ".join(_links(job, chain)) + ".")
    if chain:
        told, said.expected = _news(view, chain[-1])
        said.sentences += told
    return said


def held(view: View) -> Said:
    """Who may let it go on."""
    job = view.job
    why = About(subject=job.id, code="held", text=job.reason)
    told = f"{job.name} is held: {job.reason}. It goes on when an operator releases it: penstock release {job.id}."
    return Said(sentences=[told], reasons=[why])


def _shared(tx: Tx, job: Job) -> Said:
    producer = tx.get(Job, job.waits_on)
    state = producer.state if producer else "gone"
    text = f"{job.waits_on} makes the same key and is {state}"
    return Said(
        sentences=[f"{job.name} waits: {text}."],
        reasons=[About(subject=job.waits_on, code="shared", text=text)],
    )


def _needs(tx: Tx, job: Job) -> Said:
    reasons = [
        About(subject=parent.id, code="parent", text=f"needs {parent.name}, which is {parent.state}")
        for parent in _parents(tx, job)
    ]
    told = [f"{job.name} is blocked: {why.text}." for why in reasons[:SHOWN]]
    if len(reasons) > SHOWN:
        told.append(f"It needs {len(reasons) - SHOWN} more.")
    return Said(sentences=told, reasons=reasons)


def _parents(tx: Tx, job: Job) -> list[Job]:
    edges = [edge for edge in tx.find(Edge, "child", job.id) if not edge.met]
    return [parent for edge in edges if (parent := tx.get(Job, edge.parent)) is not None]


def _chain(tx: Tx, job: Job) -> list[Job]:
    """The jobs that this one waits for, one after the other, down to one that waits for none."""
    chain: list[Job] = []
    while len(chain) < LONGEST and job.state == JobState.BLOCKED:
        producer = tx.get(Job, job.waits_on) if job.waits_on else None
        waited = [producer] if producer else [parent for parent in _parents(tx, job) if parent.open]
        if not waited:
            break
        job = min(waited, key=lambda one: (_FIRST.index(one.state), one.id))
        chain.append(job)
    return chain


def _links(job: Job, chain: list[Job]) -> list[str]:
    """ "png:build waits for zlib:build", "which waits for base:build", "which is queued"."""
    first, *others = chain
    links = [f"{job.name} waits for {first.name}", *(f"which waits for {one.name}" for one in others)]
    return [*links, f"which is {chain[-1].state}"]


def _news(view: View, last: Job) -> tuple[list[str], Outlook | None]:
    """When the last of a chain moves, and what is expected of it."""
    if last.state == JobState.QUEUED:
        found = Scene(view.hub, view.tx, view.farm, last).of_start()
        return ([starts(last.name, found)] if found else [f"No machine takes {last.name} now."]), found
    attempts = view.tx.find(Attempt, "job", last.id, last.attempts)
    if last.state not in (JobState.OFFERED, JobState.RUNNING) or not attempts:
        return [], None
    ends = of_end(view.tx, view.farm, last, attempts[0])
    where = machine_name(view.tx, attempts[0].machine)
    return [f"{last.name} is expected to end on {where} {expectation(ends)}."], ends
