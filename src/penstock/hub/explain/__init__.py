"""Why a job is where it is, and what will move it: in sentences, and as reasons for programs."""

from penstock.hub.context import Hub, NotFound
from penstock.hub.explain.blocked import blocked, held
from penstock.hub.explain.ended import history, over
from penstock.hub.explain.told import About, Explanation, Said, View
from penstock.hub.explain.waiting import queued
from penstock.hub.explain.working import at_work
from penstock.hub.steps import look
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.states import JobState
from penstock.ports import Tx

__all__ = ["About", "Explanation", "explain"]

_WAYS = {
    JobState.QUEUED: queued,
    JobState.BLOCKED: blocked,
    JobState.HELD: held,
    JobState.OFFERED: at_work,
    JobState.RUNNING: at_work,
}


def explain(hub: Hub, job_id: str) -> Explanation:
    """Explain one job. Raises NotFound. What it costs does not grow with the queue."""

    def read(tx: Tx, farm: Farm) -> Explanation:
        job = tx.get(Job, job_id)
        if job is None:
            raise NotFound("job", job_id)
        view = View(hub, tx, farm, job, tx.find(Attempt, "job", job_id))
        said: Said = _WAYS[job.state](view) if job.open else over(view)
        return Explanation(
            job=job_id,
            state=job.state,
            sentences=(*said.sentences, *history(view)),
            reasons=tuple(said.reasons),
            expected=said.expected,
        )

    return look(hub, read)
