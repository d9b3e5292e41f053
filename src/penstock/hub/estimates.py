"""How long jobs take here: learnt in the transaction in which an attempt passes, read when a start is expected."""

from penstock.hub.steps import Step
from penstock.model.estimate import RECENT, Estimate, learnt
from penstock.model.job import Attempt, Job
from penstock.policy.expectation import Duration, duration
from penstock.ports import Tx


def learn(step: Step, job: Job, attempt: Attempt) -> None:
    """One more run that passed. The first runs of each job count for its platform as well, so that jobs of which
    nothing is known are taken to be like others when they were new. Two records at most."""
    took_ms = max(0, attempt.ended_ms - attempt.started_ms)
    spec = job.spec
    own = _add(step, Estimate(project=job.project, name=_name(job), platform=spec.platform), took_ms)
    if own.count <= RECENT:
        _add(step, Estimate(project="", name="", platform=spec.platform), took_ms)


def _add(step: Step, fresh: Estimate, took_ms: int) -> Estimate:
    known = step.tx.get(Estimate, fresh.project, fresh.name, fresh.platform)
    after = learnt(known or fresh, took_ms)
    if known is not None:
        return step.put(after)
    step.tx.insert(after)
    return after


def _name(job: Job) -> str:
    return f"{job.spec.module}:{job.spec.kind}"


class Durations:
    """What is known in one view; each estimate is read once."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[tuple[str, str, str], Estimate | None] = {}

    def of(self, job: Job) -> Duration:
        """How long this job takes, as far as is known."""
        own = self._get(job.project, _name(job), job.spec.platform)
        platform = None if own else self._get("", "", job.spec.platform)
        return duration(own, platform, job.spec.timeout_ms)

    def _get(self, *key: str) -> Estimate | None:
        project, name, platform = key
        if key not in self._known:
            self._known[project, name, platform] = self._tx.get(Estimate, project, name, platform)
        return self._known[project, name, platform]
