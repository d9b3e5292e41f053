"""From what a hub sees to columns, and from acts back to a decision (docs/decisions/0140).

`decide` is told what is so now: what ended, what is up, what waits. It brings the columns to that by the same changes as
a simulator makes, in the same order (ends, machines, arrivals), lets the islands decide that anything happened to, and says
what they do as offers and power commands. What it is told may come late or twice: it is level-triggered.
"""

import hashlib
from collections import Counter
from typing import Literal

import msgspec

from penstock.model.curb import Curb
from penstock.model.decision import Boot, Decision, Delete, Place, PowerCommand, Resume, Suspend
from penstock.model.snapshot import Ask
from penstock.policy.capacity import changes, offers, reasons, reserve
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import decide as policy
from penstock.policy.capacity.rows import NOWHERE, Rows
from penstock.policy.capacity.standing import Standing, stand, vanish

MOST_WAITING = 1000
"""Jobs of an island that are looked at; the others wait their turn."""

PPM = 1_000_000
CAUSES = {
    "capacity": offers.NO_CAPACITY,
    "quota": offers.NO_QUOTA,
    "throttled": offers.THROTTLED,
    "crowded": offers.CROWDED,
}
Failure = Literal["capacity", "quota", "throttled", "crowded", "boot"]


class Wanted(msgspec.Struct, frozen=True):
    """A job that waits. `name`: what its duration is learnt by; `since_ms`: when it became runnable, farm time."""

    job: str
    ask: Ask
    name: str
    since_ms: int
    version: int = 0


class Found(msgspec.Struct, frozen=True):
    """A job that runs on a machine, since this moment of farm time."""

    wanted: Wanted
    machine: str
    started_ms: int


class Ended(msgspec.Struct, frozen=True):
    """A job that ran and ended. `took_ms`: on its machine, from start to end; -1 where it says nothing of its length."""

    job: str
    took_ms: int = -1


class Lost(msgspec.Struct, frozen=True):
    """A job whose attempt came to nothing. `reclaimed`: its machine was taken away."""

    job: str
    reclaimed: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is so at `now_ms` of farm time, as far as it is not known already.

    `ended`, `lost`: of jobs that ran, in the order in which that happened. `failed`: machines that did not come, and
    why. `machines`: those that changed, `gone`: those that are no more. `running`: what runs and was not started by
    this policy's word, as far as it remembers. `waiting`: all jobs that wait, of each island the first ones, in order;
    `later`: known ones that back off. `curbs`: what guards of budgets forbid.
    """

    now_ms: int
    ended: tuple[Ended, ...] = ()
    lost: tuple[Lost, ...] = ()
    failed: tuple[tuple[str, Failure], ...] = ()
    machines: tuple[Standing, ...] = ()
    gone: tuple[str, ...] = ()
    running: tuple[Found, ...] = ()
    waiting: tuple[Wanted, ...] = ()
    later: tuple[str, ...] = ()
    curbs: tuple[Curb, ...] = ()


def digest(seen: Seen) -> str:
    """Of all that was seen."""
    return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()


def decide(rows: Rows, seen: Seen) -> Decision:
    """Bring the columns to what is seen, then decide on every island that anything happened to, or whose time has come."""
    touched = bring(rows, seen)
    rows.make_room()
    said = _Said(rows, {one.job: one for one in seen.waiting})
    for island in range(len(rows.farm.islands[c.ISLAND_WAKE_MS])):
        if island in touched or _is_due(rows.farm, island, seen.now_ms):
            _decide(rows.farm, island, seen.now_ms)
            said.take()
    wakes = [wake for wake in rows.farm.islands[c.ISLAND_WAKE_MS] if 0 < wake < c.NEVER_MS]
    return Decision(places=tuple(said.places), power=tuple(said.power), wake_ms=min(wakes, default=None))


def bring(rows: Rows, seen: Seen) -> set[int]:
    """Tell the columns what is new. Returns the islands that anything happened to."""
    touched = {_end(rows, one, seen.now_ms) for one in seen.ended if one.job in rows.jobs}
    touched |= {_lose(rows, one, seen.now_ms) for one in seen.lost if one.job in rows.jobs}
    for machine, why in seen.failed:
        if machine in rows.machines:
            _fail(rows, rows.machines[machine], why, seen.now_ms)
    for one in seen.machines:
        rows.machine_versions[one.id] = one.version
        if stand(rows, one, seen.now_ms):
            touched.add(rows.farm.pools[c.POOL_ISLAND][rows.pools[one.pool]])
        rows.farm.head[c.HEAD_ACTS] = 0
    touched |= {vanish(rows, machine, seen.now_ms) for machine in seen.gone if machine in rows.machines}
    for found in seen.running:
        _run(rows, found)
    if rows.curb(seen.curbs):
        _forget_waiting(rows, seen.now_ms)
        touched |= set(rows.islands)
    return touched | _queue(rows, seen)


def _end(rows: Rows, one: Ended, now_ms: int) -> int:
    row, farm = rows.jobs[one.job], rows.farm
    island = farm.asks[c.ASK_ISLAND][farm.jobs[c.JOB_ASK][row]]
    if farm.jobs[c.JOB_STATE][row] != c.RUNNING or one.took_ms < 0:
        changes.withdrawn(farm, row, now_ms)
    else:
        changes.ended(farm, row, now_ms, _worked_ms(farm, row, one.took_ms))
    rows.forget_job(one.job)
    return island


def _worked_ms(farm: c.Farm, row: int, took_ms: int) -> int:
    """Work at speed 1 without the cold extra."""
    lane = farm.jobs[c.JOB_LANE][row]
    pool = farm.machines[c.MACHINE_POOL][lane // farm.rules[c.RULE_WIDTH]]
    warm_ms = max(0, took_ms - farm.lanes[c.LANE_COLD_MS][lane])
    return warm_ms * farm.pools[c.POOL_SPEED_PPM][pool] // PPM


def _lose(rows: Rows, one: Lost, now_ms: int) -> int:
    row, farm = rows.jobs[one.job], rows.farm
    if one.reclaimed:
        farm.jobs[c.JOB_FLAGS][row] |= c.STEADY
    if farm.jobs[c.JOB_STATE][row] == c.RUNNING:
        changes.lost(farm, row, now_ms)
    return farm.asks[c.ASK_ISLAND][farm.jobs[c.JOB_ASK][row]]


def _fail(rows: Rows, machine: int, why: Failure, now_ms: int) -> None:
    if why == "boot":
        offers.failed(rows.farm, machine, now_ms)
    else:
        offers.refused(rows.farm, machine, CAUSES[why], now_ms)


def _run(rows: Rows, found: Found) -> None:
    """Adopt what runs already: as if it had been started then."""
    wanted, machine = found.wanted, rows.machines.get(found.machine)
    if wanted.job in rows.jobs or machine is None or rows.farm.machines[c.MACHINE_FREE][machine] == 0:
        return
    _arrive(rows, wanted)
    row, farm = rows.jobs[wanted.job], rows.farm
    starts = farm.machines[c.MACHINE_STARTS][machine]
    changes.start(farm, row, machine, found.started_ms, 0)
    farm.machines[c.MACHINE_STARTS][machine] = max(1, starts)
    farm.head[c.HEAD_ACTS] = 0


def _forget_waiting(rows: Rows, now_ms: int) -> None:
    """What waits comes anew: whom it is for may count now, or count no more."""
    for job in rows.not_running():
        row = rows.jobs[job]
        if rows.farm.jobs[c.JOB_STATE][row] == c.PENDING:
            changes.withdrawn(rows.farm, row, now_ms)
        rows.forget_job(job)


def _queue(rows: Rows, seen: Seen) -> set[int]:
    """What waits, waits; what does not any more is forgotten, unless it only backs off."""
    farm, wanted, touched = rows.farm, {one.job for one in seen.waiting}, set()
    later = set(seen.later)
    for job in rows.not_running():
        row = rows.jobs[job]
        if job not in wanted:
            if farm.jobs[c.JOB_STATE][row] == c.PENDING:
                touched.add(farm.asks[c.ASK_ISLAND][farm.jobs[c.JOB_ASK][row]])
                changes.withdrawn(farm, row, seen.now_ms)
            if job not in later:
                rows.forget_job(job)
    for one in seen.waiting:
        known = rows.jobs.get(one.job)
        if known is None:
            touched.add(_arrive(rows, one))
        elif rows.farm.jobs[c.JOB_STATE][known] == c.AHEAD:
            changes.arrived(rows.farm, known, seen.now_ms)
            touched.add(rows.island_of(one.ask))
    return touched - {NOWHERE}


def _arrive(rows: Rows, one: Wanted) -> int:
    """A job that was not known waits since then. Returns its island, NOWHERE where no pool suits it: then it is left out."""
    island = rows.island_of(one.ask)
    if island != NOWHERE:
        row = rows.new_job(one.job, rows.ask(one.ask), one.name)
        if one.ask.steady:
            rows.farm.jobs[c.JOB_FLAGS][row] |= c.STEADY
        changes.arrived(rows.farm, row, one.since_ms)
    return island


def _is_due(farm: c.Farm, island: int, now_ms: int) -> bool:
    """Whether its time has come. Of an island that was never decided about nothing can have come yet, unless it has
    machines from the start."""
    wake_ms = farm.islands[c.ISLAND_WAKE_MS][island]
    return wake_ms <= now_ms if wake_ms else reserve.has_least(farm, island)


def _decide(farm: c.Farm, island: int, now_ms: int) -> None:
    """One island; it is asked again at its wake, at the earliest in the next millisecond."""
    farm.head[c.HEAD_ACTS] = 0
    policy.decide(farm, island, now_ms)
    if farm.islands[c.ISLAND_WAKE_MS][island] < c.NEVER_MS:
        farm.islands[c.ISLAND_WAKE_MS][island] = max(farm.islands[c.ISLAND_WAKE_MS][island], now_ms + 1)


class _Said:
    """The acts of one decision as offers and commands, each with the versions that it counts on."""

    def __init__(self, rows: Rows, waiting: dict[str, Wanted]) -> None:
        self._rows, self._waiting = rows, waiting
        self._placed: Counter[str] = Counter()
        self.places: list[Place] = []
        self.power: list[PowerCommand] = []

    def take(self) -> None:
        """The acts that were just written."""
        acts = self._rows.farm.acts
        for at in range(self._rows.farm.head[c.HEAD_ACTS]):
            if acts[c.ACT_KIND][at] == c.START:
                self.places.append(self._place(at))
            else:
                self.power.append(self._command(at))

    def _place(self, at: int) -> Place:
        rows, acts = self._rows, self._rows.farm.acts
        job = rows.job_ids[acts[c.ACT_JOB][at]]
        machine = rows.machine_ids[acts[c.ACT_MACHINE][at]]
        self._placed[machine] += 1
        return Place(
            job=job,
            job_version=self._waiting[job].version,
            machine=machine,
            machine_version=rows.machine_versions[machine] + self._placed[machine] - 1,
            slot=acts[c.ACT_LANE][at] % rows.farm.rules[c.RULE_WIDTH],
            reason=self._why(at),
        )

    def _command(self, at: int) -> PowerCommand:
        rows, acts = self._rows, self._rows.farm.acts
        kind, row, why = acts[c.ACT_KIND][at], acts[c.ACT_MACHINE][at], self._why(at)
        if kind == c.BOOT:
            pool = rows.pool_names[rows.farm.machines[c.MACHINE_POOL][row]]
            return Boot(pool=pool, row=row, reason=why)
        machine = rows.machine_ids[row]
        if kind == c.RESUME:
            return Resume(machine=machine, reason=why)
        if kind == c.SUSPEND:
            return Suspend(machine=machine, reason=why)
        return Delete(machine=machine, reason=why)

    def _why(self, at: int) -> str:
        return reasons.act_text(self._rows.farm.acts[c.ACT_WHY][at])
