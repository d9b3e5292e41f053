"""A farm of policy alone under a virtual clock: jobs come, are placed by policy/placement, and end in their time."""

import heapq
from collections import Counter
from collections.abc import Iterator

import msgspec

from penstock.model.job import Job, JobSpec
from penstock.model.machine import Machine
from penstock.model.snapshot import Snapshot, groups_of
from penstock.model.states import Health, JobState, Power
from penstock.model.units import DAY_MS, Size
from penstock.policy import ordering
from penstock.policy.placement import decide

MACHINE = Machine(
    id="m1",
    name="m1",
    pool="own",
    platforms=("linux",),
    slots=4,
    has=Size(4, 65536),
    power=Power.UP,
    health=Health.GOOD,
    accepting=True,
)


def machine(name: str = "m1", **changes: object) -> Machine:
    return msgspec.structs.replace(MACHINE, id=name, name=name, **changes)


def queued(name: str, now_ms: int = 0, **about: object) -> Job:
    """A job as the planner would queue it. `klass`, `cores` and `module` go to its spec, `priority` and `credit_s`
    to its rank."""
    klass = str(about.pop("klass", "change"))
    module = str(about.pop("module", "zlib"))
    size = Size(int(str(about.pop("cores", 1))), 1024)
    limit_ms = int(str(about.pop("queue_limit_ms", DAY_MS)))
    level = ordering.level_of(klass, int(str(about.pop("priority", 0))))
    turn = ordering.turn_s(now_ms, limit_ms, int(str(about.pop("credit_s", 0))))
    return Job(
        id=name,
        build="b",
        name=name,
        spec=JobSpec(
            kind="build", module=module, platform="linux", commands=("make",), size=size, klass=klass
        ),
        state=JobState.QUEUED,
        ready_ms=now_ms,
        rank=ordering.rank_of(level, turn),
        queue_limit_ms=limit_ms,
        **about,  # type: ignore[arg-type]
    )


class Virtual:
    """Machines, a queue, and what runs. `started` and `ended` are moments by job, `held` cores by project."""

    __test__ = False

    def __init__(self, *machines: Machine, now_ms: int = 0, shares: dict[str, int] | None = None) -> None:
        self.machines = {one.id: one for one in machines}
        self.now_ms = now_ms
        self.shares = shares or {}
        self.queue: dict[str, Job] = {}
        self.takes_ms: dict[str, int] = {}
        self.running: dict[str, tuple[Job, str, int]] = {}
        self.started: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.held: Counter[str] = Counter()
        self._ends: list[tuple[int, str]] = []

    def add(self, job: Job, takes_ms: int) -> None:
        """One job more in the queue."""
        self.queue[job.id] = job
        self.takes_ms[job.id] = takes_ms

    def snapshot(self) -> Snapshot:
        """What placement sees now."""
        groups, wake_ms = groups_of(self.queue.values(), self.now_ms)
        return Snapshot(
            now_ms=self.now_ms,
            groups=groups,
            machines=tuple(self.machines.values()),
            wake_ms=wake_ms,
            running=dict(self.held),
            shares=self.shares,
        )

    def place(self) -> list[str]:
        """One pass: what can start does. Returns the jobs that did."""
        places = decide(self.snapshot()).places
        for place in places:
            job = self.queue.pop(place.job)
            one = self.machines[place.machine]
            assert one.version == place.machine_version
            self._hold(one, job, place.slot)
            self.started[job.id] = self.now_ms
            self.running[job.id] = (job, one.id, place.slot)
            heapq.heappush(self._ends, (self.now_ms + self.takes_ms[job.id], job.id))
        return [place.job for place in places]

    def step(self) -> bool:
        """Go to the next end, and place what can be placed then. False when nothing runs."""
        if not self._ends:
            return False
        self.now_ms, name = heapq.heappop(self._ends)
        job, where, slot = self.running.pop(name)
        one = self.machines[where]
        busy = tuple(other for other in one.busy if other != slot)
        changes = {"busy": busy, "taken": one.taken.less(job.spec.size), "version": one.version + 1}
        self.machines[where] = msgspec.structs.replace(one, **changes)
        self.held[job.project] -= job.spec.size.cores
        self.ended[name] = self.now_ms
        self.place()
        return True

    def steps(self, most: int) -> Iterator[int]:
        """At most so many steps, counted."""
        for number in range(most):
            if not self.step():
                return
            yield number

    def _hold(self, one: Machine, job: Job, slot: int) -> None:
        changes = {
            "busy": (*one.busy, slot),
            "taken": one.taken.more(job.spec.size),
            "version": one.version + 1,
        }
        self.machines[one.id] = msgspec.structs.replace(one, **changes)
        self.held[job.project] += job.spec.size.cores
