"""Which job goes to which machine now, and why a job does not go to a machine.

Jobs go in the order of the queue. A machine takes a job when nothing in `refusals` speaks against it and the job
fits beside what runs there. Among those the cheapest is taken; owned ones share the load, rented ones are filled
up, so that the others can be suspended. A job that is too big for what is free reserves the machine that is
nearest to having room: smaller ones behind it do not go there.

Cost: O(jobs placed x log machines + asks x machines with a free slot).
"""

import heapq
from collections.abc import Iterator

from penstock.model.decision import Decision, Place, Reason
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask, Group, PoolFacts, Queued, Snapshot
from penstock.model.states import Health, Power
from penstock.model.units import Size

_FIT = (Health.UNKNOWN, Health.GOOD)


def refusals(ask: Ask, machine: Machine, snapshot: Snapshot) -> list[Reason]:
    """Why this machine does not take such jobs at all at this time, whatever runs on it; [] when it does."""
    return [*_state_refusals(machine, snapshot), *_kind_refusals(ask, machine, snapshot)]


def why_not(ask: Ask, machine: Machine, snapshot: Snapshot) -> list[Reason]:
    """As `refusals`, and whether there is room at this moment. For people who ask why a job waits."""
    found = refusals(ask, machine, snapshot)
    if found:
        return found
    if len(machine.busy) >= machine.slots:
        return [Reason("busy", f"all {machine.slots} slots are taken")]
    if not _fits(ask, machine, machine.taken):
        return [
            Reason("full", f"{_said(machine.has.less(machine.taken))} is free, it asks for {_said(ask.size)}")
        ]
    return []


def decide(snapshot: Snapshot) -> Decision:
    """Place what can be placed, in the order of the queue. Deterministic; ties go by id."""
    round_ = _Round(snapshot)
    heap = [(group.jobs[0], number, 0) for number, group in enumerate(snapshot.groups)]
    heapq.heapify(heap)
    while heap and round_.free:
        head, number, at = heap[0]
        group = snapshot.groups[number]
        if not round_.place(number, group, head) or at + 1 == len(group.jobs):
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (group.jobs[at + 1], number, at + 1))
    round_.left += [(head.job, Reason("busy", "no machine has a free slot")) for head, _, _ in sorted(heap)]
    return Decision(places=tuple(round_.places), left=tuple(round_.left), wake_ms=snapshot.wake_ms)


def _state_refusals(machine: Machine, snapshot: Snapshot) -> Iterator[Reason]:
    facts = snapshot.pools.get(machine.pool)
    if machine.power != Power.UP:
        yield Reason("power", f"it is {machine.power}")
    elif not machine.accepting:
        yield Reason("session", "its agent is not there or takes nothing more")
    if machine.health not in _FIT:
        yield Reason("health", f"it is {machine.health}: {machine.health_reason}")
    if facts is not None and facts.suspect:
        yield Reason("pool", f"too many machines of {machine.pool} failed together")


def _kind_refusals(ask: Ask, machine: Machine, snapshot: Snapshot) -> Iterator[Reason]:
    facts = snapshot.pools.get(machine.pool)
    if ask.platform not in machine.platforms:
        yield Reason("platform", f"it has no {ask.platform}")
    elif ask.platform in snapshot.fingerprinted and ask.identity and ask.identity != machine.identity:
        yield Reason("identity", f"its {ask.platform} is not the one that the job was planned for")
    if ask.trust not in machine.trust:
        yield Reason("trust", f"it takes no {ask.trust} jobs")
    elif ask.trust == "trusted" and machine.sandbox == "plain":
        yield Reason("sandbox", "it runs without a sandbox, trusted jobs need one")
    if facts is not None and facts.classes and ask.klass not in facts.classes:
        yield Reason("class", f"its pool takes no jobs of class {ask.klass}")
    if not _fits(ask, machine, Size(0, 0)):
        yield Reason("size", f"it has {_said(machine.has)}, the job asks for {_said(ask.size)}")


def _fits(ask: Ask, machine: Machine, taken: Size) -> bool:
    """True when the job fits beside what is taken; a machine without sizes runs one job per slot."""
    return not machine.sized or ask.size.fits(machine.has.less(taken))


def _said(size: Size) -> str:
    memory = "" if size.memory_mb is None else f", {size.memory_mb} MB"
    return f"{size.cores} core{'' if size.cores == 1 else 's'}{memory}"


def _kind(machine: Machine) -> tuple[object, ...]:
    """Machines of one kind take the same asks."""
    return (
        machine.pool,
        machine.platforms,
        machine.trust,
        machine.identity,
        machine.sandbox,
        machine.sized,
        machine.has,
    )


class _Room:
    """One machine with a free slot, as it fills up during the decision."""

    __slots__ = ("free", "machine", "placed", "rented", "reserved", "taken")

    def __init__(self, machine: Machine, rented: bool) -> None:
        self.machine = machine
        self.rented = rented
        self.taken = machine.taken
        self.free = sorted(set(range(machine.slots)) - set(machine.busy), reverse=True)
        self.placed = 0
        self.reserved = False

    def preference(self) -> tuple[int, int, str]:
        """Smaller is better: price, then load (owned machines share it, rented ones are filled), then id."""
        used = self.machine.slots - len(self.free)
        return self.machine.price_per_hour_micros, -used if self.rented else used, self.machine.id

    def take(self, ask: Ask, job: Queued) -> Place:
        """Put the job on the lowest free slot."""
        slot = self.free.pop()
        self.taken = self.taken.more(ask.size)
        self.placed += 1
        machine = self.machine
        used = machine.slots - len(self.free)
        return Place(
            job=job.job,
            job_version=job.version,
            machine=machine.id,
            machine_version=machine.version + self.placed - 1,
            slot=slot,
            reason=f"{machine.name} of pool {machine.pool}: the cheapest with room, {used} of {machine.slots} slots taken",
        )


class _Round:
    """One decision being made."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._rooms: list[_Room] = []
        for machine in snapshot.machines:
            if len(machine.busy) < machine.slots and not any(_state_refusals(machine, snapshot)):
                facts = snapshot.pools.get(machine.pool, PoolFacts(name=machine.pool))
                self._rooms.append(_Room(machine, facts.rented))
        self._kinds: dict[tuple[object, ...], list[int]] = {}
        for index, room in enumerate(self._rooms):
            self._kinds.setdefault(_kind(room.machine), []).append(index)
        self._candidates: dict[int, list[tuple[tuple[int, int, str], int]]] = {}
        self.free = sum(len(room.free) for room in self._rooms)
        self.places: list[Place] = []
        self.left: list[tuple[str, Reason]] = []

    def place(self, number: int, group: Group, job: Queued) -> bool:
        """Place one job of a group, or say why not; then no other of the group finds a place either."""
        heap = self._candidates.get(number)
        if heap is None:
            heap = self._candidates[number] = self._eligible(group.ask)
        while heap:
            preference, index = heap[0]
            room = self._rooms[index]
            if room.reserved or not room.free or not _fits(group.ask, room.machine, room.taken):
                heapq.heappop(heap)
            elif (now := room.preference()) != preference:
                heapq.heapreplace(heap, (now, index))
            else:
                self.places.append(room.take(group.ask, job))
                self.free -= 1
                return True
        self.left.append((job.job, self._reserve(group.ask)))
        return False

    def _eligible(self, ask: Ask) -> list[tuple[tuple[int, int, str], int]]:
        """Rooms that take such jobs, best first; lost machines and, for a steady ask, reclaimable ones only if
        the farm has no others."""
        avoided = self._avoided(ask)
        heap = []
        for members in self._kinds.values():
            if any(_kind_refusals(ask, self._rooms[members[0]].machine, self._snapshot)):
                continue
            rooms = ((index, self._rooms[index]) for index in members)
            heap += [(room.preference(), index) for index, room in rooms if room.machine.id not in avoided]
        heapq.heapify(heap)
        return heap

    def _avoided(self, ask: Ask) -> set[str]:
        """Machines that this ask rather waits than goes to: those lost on, those that are reclaimed; none of
        them when every machine that takes it, busy or not, is one."""
        if not ask.steady and not ask.lost_on:
            return set()
        takers = [m for m in self._snapshot.machines if not refusals(ask, m, self._snapshot)]
        avoided: set[str] = set()
        for wish in (set(ask.lost_on), self._reclaimed(takers) if ask.steady else set()):
            if any(machine.id not in avoided | wish for machine in takers):
                avoided |= wish
        return avoided

    def _reclaimed(self, machines: list[Machine]) -> set[str]:
        pools = self._snapshot.pools
        return {m.id for m in machines if m.pool in pools and pools[m.pool].reclaimed}

    def _reserve(self, ask: Ask) -> Reason:
        """Keep for this job the machine that is nearest to having room, unless an earlier one has such a machine."""
        rooms = [self._rooms[index] for _, index in self._eligible(ask) if self._rooms[index].free]
        if not rooms:
            return Reason("none", "no machine that could take it has a free slot")
        if any(room.reserved for room in rooms):
            return Reason("reserved", "the machine with most room is reserved for a job before it")
        best = min(rooms, key=lambda room: (-room.machine.has.less(room.taken).cores, room.machine.id))
        best.reserved = True
        return Reason("full", f"too big for what is free; {best.machine.name} is reserved for it")
