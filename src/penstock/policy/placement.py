"""Which job goes to which machine now.

Jobs go in the order of the line. A machine takes a job when it suits (policy/suitability) and the job fits beside
what runs there. Among those the cheapest is taken; owned ones share the load, rented ones are filled
up, so that the others can be suspended. A job that is too big for what is free reserves the machine that is
nearest to having room: smaller ones behind it do not go there.

Cost: O(jobs placed x log machines + asks x machines with a free slot).
"""

import heapq

from penstock.model.decision import Decision, Place, Reason
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask, Group, PoolFacts, Queued, Snapshot
from penstock.policy.line import Line
from penstock.policy.suitability import fits, kind_refusals, refusals, state_refusals


def decide(snapshot: Snapshot) -> Decision:
    """Place what can be placed, in the order of the line. Deterministic; ties go by id."""
    round_ = _Round(snapshot)
    line = Line(snapshot)
    while round_.free and (first := line.first()):
        number, job = first
        group = snapshot.groups[number]
        if round_.place(number, group, job):
            line.served(number)
            continue
        if round_.keep(group.ask, job):
            line.holds(number)
        line.passed_over(number)
    round_.left += [(head.job, Reason("busy", "no machine has a free slot")) for head in line.rest()]
    return Decision(places=tuple(round_.places), left=tuple(round_.left), wake_ms=snapshot.wake_ms)


def _kind(machine: Machine) -> tuple[object, ...]:
    """Machines of one kind take the same asks."""
    return (
        machine.pool,
        machine.platforms,
        machine.trust,
        machine.identity,
        machine.sandbox,
        machine.forwards,
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
            if len(machine.busy) < machine.slots and not any(state_refusals(machine, snapshot)):
                facts = snapshot.pools.get(machine.pool, PoolFacts(name=machine.pool))
                self._rooms.append(_Room(machine, facts.rented))
        self._kinds: dict[tuple[object, ...], list[int]] = {}
        for index, room in enumerate(self._rooms):
            self._kinds.setdefault(_kind(room.machine), []).append(index)
        self._candidates: dict[int, list[tuple[tuple[int, int, str], int]]] = {}
        self._alike: dict[tuple[object, ...], list[tuple[tuple[int, int, str], int]]] = {}
        self.free = sum(len(room.free) for room in self._rooms)
        self.places: list[Place] = []
        self.left: list[tuple[str, Reason]] = []

    def place(self, number: int, group: Group, job: Queued) -> bool:
        """Place one job of a group. False when there is no room; then no other of the group finds any either."""
        heap = self._candidates.get(number)
        if heap is None:
            heap = self._candidates[number] = self._shared(group.ask)
        while heap:
            preference, index = heap[0]
            room = self._rooms[index]
            if room.reserved or not room.free or not fits(group.ask, room.machine, room.taken):
                heapq.heappop(heap)
            elif (now := room.preference()) != preference:
                heapq.heapreplace(heap, (now, index))
            else:
                self.places.append(room.take(group.ask, job))
                self.free -= 1
                return True
        return False

    def keep(self, ask: Ask, job: Queued) -> bool:
        """Keep for this job the machine that is nearest to having room, unless an earlier one has such a machine.
        True when one is kept."""
        rooms = [self._rooms[index] for _, index in self._eligible(ask) if self._rooms[index].free]
        if not rooms:
            self.left.append((job.job, Reason("none", "no machine that could take it has a free slot")))
        elif any(room.reserved for room in rooms):
            reserved = Reason("reserved", "the machine with most room is reserved for a job before it")
            self.left.append((job.job, reserved))
        else:
            best = min(rooms, key=lambda room: (-room.machine.has.less(room.taken).cores, room.machine.id))
            best.reserved = True
            text = f"too big for what is free; {best.machine.name} is reserved for it"
            self.left.append((job.job, Reason("full", text)))
            return True
        return False

    def _shared(self, ask: Ask) -> list[tuple[tuple[int, int, str], int]]:
        """Candidates of this ask, one list for all asks that differ in nothing that counts here: of fifty projects
        each would else find out by itself how full every machine is by now."""
        takers = tuple(
            number
            for number, members in enumerate(self._kinds.values())
            if not any(kind_refusals(ask, self._rooms[members[0]].machine, self._snapshot))
        )
        key = (takers, ask.size, frozenset(self._avoided(ask)))
        if key not in self._alike:
            self._alike[key] = self._eligible(ask)
        return self._alike[key]

    def _eligible(self, ask: Ask) -> list[tuple[tuple[int, int, str], int]]:
        """Rooms that take such jobs, best first; lost machines and, for a steady ask, reclaimable ones only if
        the farm has no others."""
        avoided = self._avoided(ask)
        heap = []
        for members in self._kinds.values():
            if any(kind_refusals(ask, self._rooms[members[0]].machine, self._snapshot)):
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
