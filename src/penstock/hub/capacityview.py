"""What the capacity policy is told: what changed since it was told last, from the view of the queue and the store."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.hub import switched
from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.placer import about
from penstock.hub.queueview import QueueView
from penstock.hub.wishes import wish_of
from penstock.model.curb import Curb
from penstock.model.decision import Place
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.pool_foreign import OURS
from penstock.model.snapshot import Ask, Queued, ask_of, queued
from penstock.model.states import AttemptState, JobState, Power
from penstock.model.units import Size
from penstock.policy.budgets.curbs import shut
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.rows import Rows
from penstock.policy.capacity.standing import Phase, Standing
from penstock.policy.capacity.view import (
    MOST_WAITING,
    Ended,
    Failure,
    Found,
    Lost,
    Seen,
    Wanted,
)
from penstock.policy.suitability import FIT, fits, kind_refusals, of_pool
from penstock.ports import Tx

REFUSED_MAX, REFUSED_MS = 3, 60_000
"""A job whose offers are refused so often in a row is left out for so long."""
EXPECTED_MS = 30_000
"""So long a job of another system is awaited where it was thought to begin."""
PHASES: dict[Power, Phase] = {
    Power.REQUESTED: "coming",
    Power.BOOTING: "coming",
    Power.REGISTERING: "coming",
    Power.RESUMING: "coming",
    Power.DRAINING: "closed",
    Power.SUSPENDING: "suspending",
    Power.SUSPENDED: "suspended",
    Power.DELETING: "deleting",
}
_JUDGED = (AttemptState.PASSED, AttemptState.FAILED, AttemptState.TIMED_OUT)


class CapacityView:
    """One leader's. `rows` are the columns that it is held against; `pools` those that are decided about."""

    def __init__(self, hub: Hub, rows: Rows, islands: set[int], pools: frozenset[str]) -> None:
        self._hub, self.rows = hub, rows
        self._islands, self._pools = islands, pools
        self._switched = switched.names(hub)
        self._adopted = False
        self._numbers: dict[str, int] = {}
        self._count = 0
        self._failed: list[tuple[str, Failure]] = []
        self._refused: dict[str, tuple[int, int]] = {}
        self._now_ms = 0
        self._curbs: tuple[Curb, ...] = ()
        self._expected: dict[str, tuple[str, int]] = {}
        self._served = frozenset(pool.name for pool in hub.rules.pools if pool.agent != OURS)
        self.away: Mapping[str, str] = {}

    def failed(self, failures: Sequence[tuple[str, Failure]]) -> None:
        """Orders that came to nothing, to be told."""
        self._failed += failures

    def seen(self, tx: Tx, farm: Farm, view: QueueView) -> Seen | None:
        """What is new. Afterwards it counts as told. None while too little of the queue was read to say what it would say
        with all of it."""
        view.hear(tx.find(Event, "position", 0))
        view.follow(tx)
        self._now_ms = farm.time_ms
        self._curbs = (*curbs_now(self._hub, tx), *(_unknown(*one) for one in sorted(self.away.items())))
        groups, _ = view.groups(farm.time_ms, MOST_WAITING)
        waiting = tuple(self._waiting([(group.ask, group.jobs) for group in groups]))
        if not view.complete and not self._enough(waiting):
            return None
        there = (*view.asleep.values(), *view.machines.values())
        known = {one.id: one for one in there if one.pool in self._pools and is_ours(self._hub, one)}
        moved = self._moved(tx, known) if self._adopted else ()
        ended, lost = self._gone_jobs(tx, view)
        ended = (*ended, *(Ended(one.wanted.job) for one in moved if one.wanted.job in self.rows.jobs))
        failed, self._failed = tuple(self._failed), []
        running = moved if self._adopted else tuple(self._running(tx))
        self._adopted = True
        return Seen(
            now_ms=farm.time_ms,
            ended=ended,
            lost=lost,
            failed=failed,
            machines=tuple(self._changed(known)),
            gone=tuple(name for name in self.rows.machines if name not in known),
            running=running,
            waiting=waiting,
            later=tuple(self._later(tx, view)),
            curbs=self._curbs,
        )

    def offered(self, places: Sequence[Place], refused: Sequence[Place]) -> None:
        """These starts were written, but for the refused ones."""
        bad = {place.job for place in refused}
        for place in places:
            self._count += 1
            self._numbers[place.job] = self._count
            if place.job in bad:
                count = self._refused.get(place.job, (0, 0))[0] + 1
                self._refused[place.job] = (count, self._now_ms + REFUSED_MS)
            else:
                self._refused.pop(place.job, None)

    def expect(self, view: QueueView, places: Sequence[Place]) -> list[Place]:
        """Of these starts those of jobs of our own. The others are begun by another system, here or elsewhere: that is
        awaited for a while, as if it had begun them."""
        ours: list[Place] = []
        for place in places:
            ask = view.ask_of(place.job)
            if ask is None or ask.agent == OURS:
                ours.append(place)
            else:
                self._expected[place.job] = (place.machine, self._now_ms + EXPECTED_MS)
        return ours

    def fitting(self, view: QueueView, places: Sequence[Place]) -> tuple[list[Place], list[Place]]:
        """Columns know pools; a machine can differ from its pool. Returns what fits there, and what does not."""
        snapshot = about(self._hub, (), self._now_ms, self._curbs)
        good: list[Place] = []
        bad: list[Place] = []
        filled: dict[str, Machine] = {}
        for place in places:
            ask = view.ask_of(place.job)
            machine = filled.get(place.machine) or view.machines.get(place.machine)
            free = _free(machine)
            if (
                machine is None
                or ask is None
                or not free
                or any(kind_refusals(ask, machine, snapshot))
                or not fits(ask, machine, machine.taken)
            ):
                bad.append(place)
            else:
                slot = place.slot if place.slot in free else free[0]
                filled[machine.id] = _filled(machine, slot, ask.size)
                good.append(msgspec.structs.replace(place, slot=slot))
        return good, bad

    # What waits

    def _waiting(self, groups: Sequence[tuple[Ask, Sequence[Queued]]]) -> Iterator[Wanted]:
        """Of each island the first ones, island by island."""
        by_island: dict[int, list[tuple[Ask, Sequence[Queued]]]] = {}
        for ask, jobs in groups:
            island = self.rows.island_of(ask)
            if island in self._islands and not self._shut(ask):
                by_island.setdefault(island, []).append((ask, jobs))
        for _, found in sorted(by_island.items()):
            lines = [[(job, number) for job in jobs] for number, (_, jobs) in enumerate(found)]
            count = 0
            for job, number in heapq.merge(*lines):
                if count < MOST_WAITING and not self._left_out(job.job):
                    count += 1
                    yield Wanted(job.job, found[number][0], job.name, job.since_ms, job.version)

    def _enough(self, waiting: Sequence[Wanted]) -> bool:
        """Whether these, of the beginning of the queue, are as many of each island as are ever looked at."""
        count = Counter(self.rows.island_of(one.ask) for one in waiting)
        return all(count[island] >= MOST_WAITING for island in self._islands)

    def _later(self, tx: Tx, view: QueueView) -> Iterator[str]:
        """Jobs of the columns that back off; one that the view has not come to yet is looked up."""
        for name in self.rows.jobs:
            if view.backs_off(name):
                yield name
            elif not view.complete and view.ask_of(name) is None and not view.works(name):
                job = tx.get(Job, name)
                if job is not None and job.state == JobState.QUEUED and job.not_before_ms > self._now_ms:
                    yield name

    def _shut(self, ask: Ask) -> bool:
        """Whether guards leave such a job no pool: then it waits without being looked at, and holds nobody up."""
        return bool(self._curbs) and shut(
            self._curbs, ask, self._hub.rules.pools, lambda pool: not of_pool(ask, pool)
        )

    def _left_out(self, job: str) -> bool:
        """Whether its offers were refused again and again; it is tried again after a while."""
        count, until_ms = self._refused.get(job, (0, 0))
        if count >= REFUSED_MAX and until_ms <= self._now_ms:
            del self._refused[job]
            return False
        return count >= REFUSED_MAX

    # What ran

    def _gone_jobs(self, tx: Tx, view: QueueView) -> tuple[tuple[Ended, ...], tuple[Lost, ...]]:
        """Jobs that the columns have running and that do not, in the order in which they ended or were started."""
        state = self.rows.farm.jobs[c.JOB_STATE]
        ended: list[tuple[int, int, Ended]] = []
        lost: list[tuple[int, Lost]] = []
        for name, row in self.rows.jobs.items():
            if state[row] != c.RUNNING or view.works(name):
                self._expected.pop(name, None)
                continue
            if self._is_expected(name, view):
                continue
            number = self._numbers.get(name, 0)
            job = tx.get(Job, name)
            if job is None or not job.open:
                at_ms, took_ms = _length(tx, job)
                ended.append((at_ms, number, Ended(name, took_ms)))
                self._numbers.pop(name, None)
            elif job.state != JobState.RUNNING:  # else its end is recorded and not settled
                lost.append((number, Lost(name, job.steady)))
        ended.sort(key=lambda one: one[:2])
        lost.sort(key=lambda one: one[0])
        return tuple(one for _, _, one in ended), tuple(one for _, one in lost)

    def _is_expected(self, job: str, view: QueueView) -> bool:
        """Whether another system may still begin this job where it was thought to."""
        _, until_ms = self._expected.get(job, ("", 0))
        if until_ms > self._now_ms and view.ask_of(job) is not None:
            return True
        self._expected.pop(job, None)
        return False

    def _moved(self, tx: Tx, known: Mapping[str, Machine]) -> tuple[Found, ...]:
        """What another system has begun elsewhere than it was thought to. Whoever was thought to begin there waits again."""
        rows, found = self.rows, []
        for one in known.values() if self._served else ():
            if one.pool not in self._served or rows.machine_versions.get(one.id) == one.version:
                continue
            new = [
                each
                for each in tx.find(Attempt, "machine", one.id, True)
                if rows.place_of(each.job) != one.id
            ]
            found += [self._found(tx, each) for each in new]
            if new:
                self._expected = {job: at for job, at in self._expected.items() if at[0] != one.id}
        return tuple(found)

    def _running(self, tx: Tx) -> Iterator[Found]:
        """Live attempts on our machines, when this leader begins."""
        for attempt in tx.find(Attempt, "live", True):
            if attempt.pool in self._pools and tx.get(Job, attempt.job) is not None:
                yield self._found(tx, attempt)

    def _found(self, tx: Tx, attempt: Attempt) -> Found:
        """A live attempt, as the policy is told of it."""
        job = tx.get(Job, attempt.job)
        assert job is not None
        wanted = Wanted(job.id, ask_of(job), queued(job).name, attempt.granted_ms, job.version)
        return Found(wanted, attempt.machine, attempt.granted_ms)

    # Machines

    def _changed(self, known: dict[str, Machine]) -> Iterator[Standing]:
        """Machines that are not as they were told, in the order in which they were made or ordered last."""
        versions = self.rows.machine_versions
        changed = [one for one in known.values() if versions.get(one.id) != one.version]
        changed.sort(key=lambda one: (one.since_ms, one.ordered_ms, self._number(one.id)))
        for one in changed:
            yield Standing(
                id=one.id,
                pool=one.pool,
                phase=self._phase(one),
                version=one.version,
                noticed=one.leaves_ms > 0,
                ordered_ms=one.ordered_ms,
                starts=one.starts,
            )

    def _phase(self, one: Machine) -> Phase:
        if one.power == Power.DRAINING:
            return PHASES[wish_of(one) or one.power]
        if one.power != Power.UP:
            return PHASES[one.power]
        if not (one.accepting and one.health in FIT and not one.leaves_ms):
            return "closed"
        return "kept" if one.pool in self._switched and not one.provider_id else "up"

    def _number(self, machine: str) -> int:
        """Machines are told in the order of their rows where nothing else tells them apart."""
        row = self.rows.machines.get(machine)
        return -1 if row is None else self.rows.farm.machines[c.MACHINE_SERIAL][row]


def is_ours(hub: Hub, one: Machine) -> bool:
    """Whether the policy may use and stop it: of a pool that is rented, only what the hub ordered itself; of one that is
    switched, what can be counted on."""
    if one.pool not in hub.providers or one.client_token:
        return True
    return one.pool in switched.names(hub) and switched.usable(one)


def _unknown(pool: str, why: str) -> Curb:
    """Nothing is ordered for a system of whose queue nothing is known."""
    why = f"its system does not answer: {why}"
    return Curb(guard="", why=why, barred=(pool,), stopped=pool, keeps=True)


def _free(machine: Machine | None) -> list[int]:
    return [] if machine is None else [n for n in range(machine.slots) if n not in machine.busy]


def _filled(machine: Machine, slot: int, size: Size) -> Machine:
    """The machine with this slot taken, for what is decided with it."""
    return msgspec.structs.replace(machine, busy=(*machine.busy, slot), taken=machine.taken.more(size))


def _length(tx: Tx, job: Job | None) -> tuple[int, int]:
    """When a job ended, by the wall clock, and how long its last attempt ran; -1 where it was not judged."""
    tries = tx.find(Attempt, "job", job.id, job.attempts) if job is not None and job.attempts else []
    if not tries:
        return 0, -1
    last = tries[0]
    judged = last.state in _JUDGED and last.started_ms > 0
    return last.ended_ms, last.ended_ms - last.started_ms if judged else -1
