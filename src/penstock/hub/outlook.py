"""When jobs are expected to start and to end, from one view of the store."""

from collections import Counter

import msgspec

from penstock.hub import placer
from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.estimates import Durations
from penstock.hub.queueview import ahead
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.snapshot import Queued, Snapshot, ask_of, groups_of
from penstock.model.states import JobState, Power
from penstock.policy.expectation import P90, Busy, expect, left
from penstock.ports import Tx

LOOK = 2000
"""So many queued jobs are looked at, the first by rank: what an answer costs does not grow with the queue."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of a job: that it will "start" or "end", in `p50_ms` from now, nine times of ten in `p90_ms`.

    `before`: jobs that go before it. `sure` is False where there are more than were looked at: then all of it is "at
    least". `learnt` jobs are counted with the durations of earlier runs, `assumed` ones with those of other jobs of
    their platform or with their time limit. `runs`: earlier runs of the job itself, where its end is expected.
    """

    what: str
    p50_ms: int
    p90_ms: int
    before: int = 0
    sure: bool = True
    learnt: int = 0
    assumed: int = 0
    runs: int = 0


class Scene:
    """What there is around one queued job: the first of the queue, all that runs, and the machines. Read once."""

    def __init__(self, hub: Hub, tx: Tx, farm: Farm, job: Job) -> None:
        self.farm = farm
        self.job = job
        self.durations = Durations(tx)
        first = tx.find(Job, "state", JobState.QUEUED, limit=LOOK)
        self.whole = len(first) < LOOK or job in first
        # A job that backs off has its place in the line all the same.
        asked = msgspec.structs.replace(job, not_before_ms=0)
        self.queue = [*(other for other in first if other.id != job.id), asked]
        self.live = tx.find(Attempt, "live", True)
        self.running = [tx.get(Job, attempt.job) for attempt in self.live]
        self.snapshot = self._snapshot(hub, tx)

    def before(self) -> int:
        """How many of those that were read go before the job by rank, whatever machines they need."""
        mine = Queued(self.job.rank, self.job.ready_ms, self.job.id, self.job.version)
        return ahead(self.snapshot.groups, mine)

    def of_start(self) -> Outlook | None:
        """When the job starts. None when no machine takes it now. One that backs off does not start before its
        time."""
        known = {other.id: self.durations.of(other) for other in self.queue}
        found = expect(self.snapshot, ask_of(self.job), self.job.id, self._busy(), known)
        wait_ms = max(0, self.job.not_before_ms - self.farm.time_ms)
        if found is None:
            return None
        return Outlook(
            what="start",
            p50_ms=max(found.p50_ms, wait_ms),
            p90_ms=max(found.p90_ms, wait_ms),
            before=found.before,
            sure=self.whole,
            learnt=found.learnt,
            assumed=found.assumed,
        )

    def _snapshot(self, hub: Hub, tx: Tx) -> Snapshot:
        """The farm as placement sees it, with what was read of the queue."""
        groups, wake_ms = groups_of(self.queue, self.farm.time_ms)
        held: Counter[str] = Counter()
        for attempt in self.live:
            held[attempt.project] += attempt.size.cores
        machines = tuple(tx.find(Machine, "power", Power.UP))
        snapshot = placer.about(hub, machines, self.farm.time_ms, curbs_now(hub, tx))
        return msgspec.structs.replace(snapshot, groups=groups, wake_ms=wake_ms, running=dict(held))

    def _busy(self) -> list[Busy]:
        """What runs, and how long it goes on."""
        return _lasting(self.farm, list(zip(self.live, self.running, strict=True)), self.durations)


def busy_now(tx: Tx, farm: Farm, live: list[Attempt], durations: Durations) -> list[Busy]:
    """What these live attempts hold, and how long each goes on."""
    return _lasting(farm, [(attempt, tx.get(Job, attempt.job)) for attempt in live], durations)


def _lasting(farm: Farm, pairs: list[tuple[Attempt, Job | None]], durations: Durations) -> list[Busy]:
    return [
        Busy(
            machine=attempt.machine,
            project=attempt.project,
            size=attempt.size,
            left=left(durations.of(job), max(0, farm.time_ms - attempt.granted_ms)),
        )
        for attempt, job in pairs
        if job is not None
    ]


def of_end(tx: Tx, farm: Farm, job: Job, attempt: Attempt) -> Outlook:
    """When a job that runs, or is about to, ends."""
    whole = Durations(tx).of(job)
    rest = left(whole, max(0, farm.time_ms - attempt.granted_ms))
    late_ms = rest.mean_ms + rest.spread_ms * P90 // 100
    return Outlook(what="end", p50_ms=rest.mean_ms, p90_ms=late_ms, runs=whole.runs)
