"""What waits for a machine, what could take it, and who holds how much: kept in memory by the leader, and followed
through the outbox.

Every event names a job, a machine or both; what it names is read again, so events may come twice or late. Whatever
changes the order of the queue, or what a machine can take, without an event of its own tells one (steps.Step). What a
refused offer spoke of is in doubt, and read again, too. Memory: some 400 bytes for each queued job; following: a few
reads for each job that moved, however long the queue is.

A long queue can be read in portions, one in each pass, in its own order. Until all is read, what comes after the last job
that was read is not there, whoever speaks of it: so what is there is always the beginning of the queue, and no gap in it
lets anybody pass.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence

from penstock.model.farm import Event
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask, Group, Queued, ask_of, queued
from penstock.model.states import JobState, Power
from penstock.ports import Tx

PAGE = 1000
CHECKED = 100
"""Queued jobs that are looked at again in one check."""
_AT_WORK = (JobState.OFFERED, JobState.RUNNING)
ASLEEP = tuple(power for power in Power if power not in (Power.ABSENT, Power.UP, Power.GONE))


class QueueView:
    """One leader's view. It knows nothing before `follow` has read everything once; with a `portion` it reads only so
    many queued jobs then, and as many after each `go_on`.

    `machines`: those that are up; `asleep`: the others that are not gone. `running`: cores held, by project.
    """

    def __init__(self, portion: int | None = None) -> None:
        self._known = False
        self._portion = portion
        self._unread: tuple[object, ...] | None = ()
        self._may_read = True
        self._news: list[Event] = []
        self._heard: set[int] = set()
        self._checking = False
        self._checked: tuple[object, ...] = ()
        self._known_machines = True
        self._doubted: set[tuple[str, str]] = set()
        self._asks: dict[Ask, Ask] = {}
        self._groups: dict[Ask, list[Queued]] = {}
        self._waiting: dict[str, tuple[Ask, Queued]] = {}
        self._later: dict[str, int] = {}
        self._held: dict[str, tuple[str, int]] = {}
        self.machines: dict[str, Machine] = {}
        self.asleep: dict[str, Machine] = {}
        self.running: Counter[str] = Counter()

    def hear(self, events: Sequence[Event]) -> None:
        """Events that have no position yet, in their order; the next `follow` follows them up. Twice is harmless."""
        if self._known:
            self._news += [event for event in events if event.seq not in self._heard]
        self._heard |= {event.seq for event in events}

    @property
    def unstamped(self) -> bool:
        """True when events were heard that have no position yet."""
        return bool(self._heard)

    def stamped(self, events: Sequence[Event]) -> None:
        """The same events, after they got their positions: they are not heard of again."""
        self.hear(events)
        self._heard -= {event.seq for event in events}

    def doubt(self, job: str, machine: str) -> None:
        """An offer of this job to this machine was refused: one of them is not what it seemed."""
        self._doubted |= {("job", job), ("machine", machine)}

    def check(self, machines: bool) -> None:
        """Hold a little of the view against the store at the next `follow`: a piece of the queue, and `machines`."""
        self._checking = True
        self._known_machines = self._known_machines and not machines

    def forget(self) -> None:
        """Read everything again at the next `follow`."""
        self._known = False
        self._news = []

    @property
    def complete(self) -> bool:
        """Whether the whole queue was read. Before, the view has its beginning; machines and what runs it has at once."""
        return self._known and self._unread is None

    def go_on(self) -> None:
        """The next `follow` may read a portion more."""
        self._may_read = True

    def follow(self, tx: Tx) -> None:
        """Bring the view to what `tx` sees, as far as events were heard."""
        if not self._known:
            self._load(tx)
        else:
            self._check(tx)
            self._follow(tx)
        if self._may_read and self._unread is not None:
            self._read_on(tx)
        self._news = []
        self._doubted = set()

    @property
    def free(self) -> int:
        """Slots that are free on machines whose agents take offers."""
        return sum(m.slots - len(m.busy) for m in self.machines.values() if m.accepting)

    def works(self, job: str) -> bool:
        """Whether the job has a live attempt."""
        return job in self._held

    def ask_of(self, job: str) -> Ask | None:
        """What a job that waits asks for; None where it does not wait any more."""
        known = self._waiting.get(job)
        return known[0] if known else None

    def backs_off(self, job: str) -> bool:
        """Whether the job waits until it may be tried again."""
        return job in self._later

    def later_ms(self) -> int | None:
        """When the first that backs off may be tried again."""
        return min(self._later.values(), default=None)

    def groups(self, now_ms: int, most: int | None = None) -> tuple[tuple[Group, ...], int | None]:
        """As model.snapshot.groups_of, with the first `most` jobs of each group: no decision places more of one."""
        self._wake(now_ms)
        found = [Group(ask, tuple(jobs[:most])) for ask, jobs in self._groups.items() if jobs]
        found.sort(key=lambda group: group.jobs[0])
        return tuple(found), min(self._later.values(), default=None)

    def _load(self, tx: Tx) -> None:
        """Read everything but the queue, which begins anew."""
        self._groups, self._waiting, self._later, self._held = {}, {}, {}, {}
        self._asks = {}
        self.running.clear()
        for attempt in tx.find(Attempt, "live", True):
            self._hold(attempt.job, attempt.project, attempt.size.cores)
        self._read_machines(tx)
        self._known, self._may_read, self._unread = True, True, ()

    def _read_on(self, tx: Tx) -> None:
        """Read a portion of the queue, or all that is left. In pages: a hundred thousand whole jobs at once would be
        hundreds of megabytes."""
        left = self._portion
        while self._unread is not None and (left is None or left > 0):
            jobs = tx.find(Job, "state", JobState.QUEUED, limit=PAGE, after=self._unread)
            self._unread = _place(jobs[-1]) if len(jobs) == PAGE else None
            for job in jobs:
                self._append(job)
            left = None if left is None else left - PAGE
        self._may_read = False

    def _append(self, job: Job) -> None:
        """One job as the queue has it: nearly always the last one of its group. One that was read where it was before,
        and has moved since, is here already."""
        if job.id in self._waiting:
            self._drop(job.id)
        ask, queued = self._noted(job)
        if job.id not in self._later:
            jobs = self._groups.setdefault(ask, [])
            if jobs and queued < jobs[-1]:
                insort(jobs, queued)
            else:
                jobs.append(queued)

    def _check(self, tx: Tx) -> None:
        """What is not here as it is there is read again. What is here only is found when its offer is refused."""
        if self._checking and self.complete:
            jobs = tx.find(Job, "state", JobState.QUEUED, limit=CHECKED, after=self._checked)
            for job in jobs:
                known = self._waiting.get(job.id)
                if known is None or known[1].version != job.version:
                    self._doubted.add(("job", job.id))
            self._checked = _place(jobs[-1]) if len(jobs) == CHECKED else ()
        self._checking = False
        if not self._known_machines:
            self._read_machines(tx)

    def _read_machines(self, tx: Tx) -> None:
        self.machines = {machine.id: machine for machine in tx.find(Machine, "power", Power.UP)}
        self.asleep = {one.id: one for power in ASLEEP for one in tx.find(Machine, "power", power)}
        self._known_machines = True

    def _follow(self, tx: Tx) -> None:
        jobs = {event.job: event for event in self._news if event.job}
        ending = {event.job for event in self._news if event.kind == "attempt"}
        doubted = {name for kind, name in self._doubted if kind == "job"}
        for name in {**jobs, **dict.fromkeys(doubted)}:
            event = jobs.get(name)
            if event is None or name in doubted or name in ending or not self._moved(name, event.state):
                self._reread(tx, name)
        machines = {event.machine: None for event in self._news if event.machine}
        for name in machines | {name: None for kind, name in self._doubted if kind == "machine"}:
            self._machine(name, tx.get(Machine, name))

    def _machine(self, name: str, machine: Machine | None) -> None:
        """One machine as it is now."""
        power = Power.GONE if machine is None else machine.power
        for known, here in ((self.machines, power == Power.UP), (self.asleep, power in ASLEEP)):
            if machine is not None and here:
                known[name] = machine
            else:
                known.pop(name, None)

    def _moved(self, name: str, state: str) -> bool:
        """Follow what an event says of a job by itself, without reading. False where that is not enough."""
        if state == JobState.QUEUED:
            return False
        if state not in _AT_WORK:
            self._drop(name)
            self._release(name)
            return True
        known = self._waiting.get(name)
        if known is not None:
            self._drop(name)
            self._hold(name, known[0].project, known[0].size.cores)
        return name in self._held

    def _reread(self, tx: Tx, name: str) -> None:
        """One job as it is now."""
        self._drop(name)
        self._release(name)
        job = tx.get(Job, name)
        if job is None:
            return
        if job.state == JobState.QUEUED and (self._unread is None or _place(job) <= self._unread):
            self._put(job)
        elif job.state in _AT_WORK:
            newest = tx.find(Attempt, "job", name, job.attempts)
            if newest and newest[0].live:
                self._hold(name, newest[0].project, newest[0].size.cores)

    def _put(self, job: Job) -> None:
        ask, queued = self._noted(job)
        if job.id not in self._later:
            insort(self._groups.setdefault(ask, []), queued)

    def _noted(self, job: Job) -> tuple[Ask, Queued]:
        """A job that waits, as it is kept: equal asks are one object."""
        ask = self._asks.setdefault(ask := ask_of(job), ask)
        kept = self._waiting[job.id] = (ask, queued(job))
        if job.not_before_ms:
            self._later[job.id] = job.not_before_ms
        return kept

    def _drop(self, name: str) -> None:
        """Take a job out of the queue, if it is there."""
        known = self._waiting.pop(name, None)
        if known is None or self._later.pop(name, None) is not None:
            return
        ask, queued = known
        jobs = self._groups[ask]
        del jobs[bisect_left(jobs, queued)]
        if not jobs:
            del self._groups[ask]
            self._asks.pop(ask, None)

    def _wake(self, now_ms: int) -> None:
        """Jobs that backed off long enough come into their groups."""
        for name in [name for name, until_ms in self._later.items() if until_ms <= now_ms]:
            del self._later[name]
            ask, queued = self._waiting[name]
            insort(self._groups.setdefault(ask, []), queued)

    def _hold(self, job: str, project: str, cores: int) -> None:
        self._held[job] = (project, cores)
        self.running[project] += cores

    def _release(self, job: str) -> None:
        project, cores = self._held.pop(job, ("", 0))
        self.running[project] -= cores
        if not self.running[project]:
            del self.running[project]


def _place(job: Job) -> tuple[object, ...]:
    """Where a job is in the index of its state."""
    return job.rank, job.ready_ms, job.id


def ahead(groups: Sequence[Group], job: Queued) -> int:
    """How many jobs go before this one."""
    return sum(bisect_left(group.jobs, job) for group in groups)
