"""A plan held against the archive: which jobs have their result there already, and why the others do not.

Keys are known from the bottom up: a job's key needs the outputs of everything that its $PREFIX will hold, so it
is known where all of that is reused. The hub computes the rest as parents end, by the same `key_of`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from penstock.model.artifact import Failure, Module
from penstock.model.job import JobSpec, Trust
from penstock.model.plan import Plan, PlannedJob
from penstock.policy.reuse import PrefixPart, answer, key_of

Lookup = Callable[[Trust, str], tuple[Sequence[Module], Failure | None]]
"""(trust, key) -> what the archive has of the key: modules at the levels that such a job may read, own level
first, and the failure that is remembered at its own level."""

Parts = frozenset[PrefixPart]


def with_reuse(plan: Plan, lookup: Lookup, now_ms: int, automatic: bool) -> Plan:
    """The plan with key, reuse and reason of every job; its order, parents first, is relied on.

    `now_ms`: wall clock, for expiry. `automatic`: no person asked, so remembered failures stand. Jobs without a
    spec are left as they are. A key is looked up once per job that has one.
    """
    walk = _Walk(plan, lookup, now_ms, automatic)
    return msgspec.structs.replace(plan, jobs=tuple(walk.judged(job) for job in plan.jobs))


class _Walk:
    """What has been found out on the way through a plan.

    `parts`: for each reused build all that a $PREFIX gets from needing it. Forgotten when the last job that
    needs it has been judged, so that a deep plan does not hold every set at once.
    """

    def __init__(self, plan: Plan, lookup: Lookup, now_ms: int, automatic: bool) -> None:
        self.lookup, self.now_ms, self.automatic = lookup, now_ms, automatic
        self.jobs = {job.id: job for job in plan.jobs}
        self.unread = Counter(need for job in plan.jobs for need in job.needs)
        self.parts: dict[str, Parts] = {}
        self.keys: dict[str, str] = {}
        self.failed: set[str] = set()

    def judged(self, job: PlannedJob) -> PlannedJob:
        """The job with its key, reuse and reason."""
        if job.spec is None:
            return job
        missing = self._missing(job, job.spec)
        prefix = Parts() if missing else self._prefix(job)
        self._forget(job)
        if missing:
            return msgspec.structs.replace(job, key=None, reuse=False, reason=missing)
        return self._answered(job, job.spec, prefix)

    def _missing(self, job: PlannedJob, spec: JobSpec) -> str:
        """Why the key is not known yet; empty when it is."""
        if not spec.identity:
            return f"what {spec.platform} is has not been measured yet"
        for need in job.needs:
            if need not in self.parts:
                return self._waits_for(job, self.jobs[need])
        return ""

    def _waits_for(self, job: PlannedJob, need: PlannedJob) -> str:
        place = f"{need.module}@{need.platform}"
        if need.kind == "fetch":
            return f"starts from what {need.id} brings, which is not known yet"
        if need.id in self.failed:
            return f"needs {place}, which failed before"
        if need.module == job.module and need.platform == job.platform:
            return "its own build comes first"
        return f"needs {place}, which must be built first"

    def _prefix(self, job: PlannedJob) -> Parts:
        return _union(self.parts[need] for need in job.needs)

    def _forget(self, job: PlannedJob) -> None:
        for need in job.needs:
            self.unread[need] -= 1
            if not self.unread[need]:
                self.parts.pop(need, None)

    def _answered(self, job: PlannedJob, spec: JobSpec, prefix: Parts) -> PlannedJob:
        key = self.keys[job.id] = key_of(spec, prefix, self._source_digest(job, spec))
        modules, failure = self.lookup(spec.trust, key)
        said = answer(spec, modules, failure, self.now_ms, self.automatic)
        if said.failure is not None:
            self.failed.add(job.id)
        if said.module is not None and self.unread[job.id]:
            own = (spec.module, spec.platform, said.module.output)
            self.parts[job.id] = prefix | {own} if said.module.output else prefix
        return msgspec.structs.replace(job, key=key, reuse=said.module is not None, reason=said.reason)

    def _source_digest(self, job: PlannedJob, spec: JobSpec) -> str:
        """What the source adds to the key: its tree, or for a test from the build the build's key."""
        if spec.source_from == "build":
            return self.keys[job.needs[0]]
        return spec.source.digest if spec.source else ""


def _union(sets: Iterable[Parts]) -> Parts:
    """All parts of all sets; the largest set itself where it holds the others, as it mostly does."""
    whole = Parts()
    for parts in sorted(sets, key=len, reverse=True):
        whole = whole if parts <= whole else whole | parts
    return whole
