"""Watches the queues of other systems that pools of ours serve, and brings the books to what they say. A service of the
leader.

Level-triggered: each look says all there is, so one that is late, lost or made twice changes nothing in the end. A
system that does not answer says nothing: its jobs and machines stay in the books as they are, nothing is ordered for it
and nothing of it is stopped, and after a while people are told.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from penstock.hub import attendance, mirror
from penstock.hub.absent import WORDS, Absence, absent, note
from penstock.hub.beside import AtOnce, Beside
from penstock.hub.context import Hub
from penstock.hub.queueview import ASLEEP
from penstock.hub.steps import Step, lead, lead_all, look
from penstock.hub.wishes import wish_of
from penstock.model.decision import Memory
from penstock.model.farm import Event, Farm
from penstock.model.foreign import Agent, Fate, Run, Watched
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.states import Power
from penstock.ports import Tx
from penstock.queueport import Queue, QueueError

EVERY_MS = 5_000
"""How often a system is looked at."""
TOLD_MS = 60_000
"""People are told of a system that has not answered for so long."""
GRACE_MS = 120_000
"""Agents may take so long to come back after their system has."""
FATES, FATES_MS = 20, 5_000
"""So many requests that are in no list are asked for one by one after a look, for so long."""
UNSEEN_MS = 60_000
"""An agent may be away for so long, as while its system is started again, until its machine takes nothing."""
LETS_GO = 2
"""A machine is let go of after so many looks in a row at which it was given nothing more and ran nothing."""
STALE_MS = 30_000
"""An agent that was there before its machine was ordered is believed after so long."""


@dataclass(frozen=True)
class _Look:
    """What came of one look. `problem`: why nothing did."""

    watched: Watched = field(default_factory=Watched)
    fates: Mapping[str, Fate] = field(default_factory=dict)
    problem: str = ""


@dataclass
class _System:
    """One system as it is known here. `heard_ms`, `lost_ms`: of the last answer, and of the first look without one since."""

    url: str
    queue: Queue
    pools: tuple[Pool, ...]
    mark: str = ""
    marked: bool = False
    began_ms: int | None = None
    heard_ms: int | None = None
    lost_ms: int | None = None
    back_ms: int = 0
    problem: str = "it was not looked at yet"
    noted: bool = False
    told: bool = False
    looks: list[_Look] = field(default_factory=list)
    quiet: dict[str, int] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    unseen: dict[str, int] = field(default_factory=dict)

    @property
    def away(self) -> bool:
        """Whether nothing is known of it now."""
        return self.heard_ms is None or self.lost_ms is not None


class Watcher:
    """One leader's. `beside` asks the systems."""

    def __init__(self, hub: Hub, beside: Beside | None = None, every_ms: int = EVERY_MS) -> None:
        self._hub, self._beside, self._every_ms = hub, beside or AtOnce(), every_ms
        self._systems = [
            _System(
                url, queue, tuple(pool for pool in hub.rules.pools if pool.serves and pool.serves.url == url)
            )
            for url, queue in hub.queues.items()
        ]

    def away(self) -> dict[str, str]:
        """Pools whose system does not answer, and why not."""
        return {pool.name: one.problem for one in self._systems if one.away for pool in one.pools}

    def unheard(self, now_ms: int) -> frozenset[str]:
        """Pools whose machines may be there though their agents are not seen: their system is away, or just came back."""
        late = [one for one in self._systems if one.away or now_ms - one.back_ms < GRACE_MS]
        return frozenset(pool.name for one in late for pool in one.pools)

    def next_ms(self) -> int | None:
        """When it has to look again."""
        return min(
            (one.began_ms + self._every_ms for one in self._systems if one.began_ms is not None), default=None
        )

    def run_once(self, now_ms: int) -> dict[str, int]:
        """Look where it is due, and follow up what looks have come to. Returns what was done, by name."""
        counts = {"watched": 0, "mirrored": 0}
        for one in self._systems:
            if one.began_ms is None or now_ms - one.began_ms >= self._every_ms:
                self._begin(one, now_ms)
            looks, one.looks = one.looks, []
            for seen in looks:
                counts["watched"] += 1
                counts["mirrored"] += self._follow(one, seen, now_ms)
        return counts

    # Looking

    def _begin(self, one: _System, now_ms: int) -> None:
        one.began_ms = now_ms
        if not one.marked:
            kept = look(self._hub, lambda tx, farm: tx.get(Memory, _name(one.url)))
            one.mark, one.marked = (kept.content.decode() if kept else ""), True
            # Since when it is away, where the last leader knew.
            one.lost_ms = look(self._hub, lambda tx, farm: absent(tx, one.url)).since_ms or None
            one.noted = one.lost_ms is not None
            one.told = one.lost_ms is not None and now_ms - one.lost_ms >= TOLD_MS
        known = look(self._hub, partial(mirror.open_jobs, url=one.url))
        self._beside.later(f"watch {one.url}", partial(self._look, one, frozenset(known)))

    def _look(self, one: _System, known: frozenset[str]) -> None:
        """In a thread of its own: one look, and what became of what is in no list."""
        begun_ms, clock = self._hub.clock.monotonic_ms(), self._hub.clock
        try:
            watched = one.queue.watch(one.mark)
            seen = {each.id for each in watched.waiting}
            seen |= {run.request.id for run in (*watched.running, *watched.ended)}
            fates: dict[str, Fate] = {}
            for request in sorted(known - seen)[:FATES]:
                if clock.monotonic_ms() - begun_ms < FATES_MS:
                    fates[request] = one.queue.fate(request)
            one.looks.append(_Look(watched, fates))
        except QueueError as problem:
            one.looks.append(_Look(problem=str(problem)))
        except Exception as problem:  # whatever a library raises: nothing was learnt
            one.looks.append(_Look(problem=f"{type(problem).__name__}: {problem}"))

    # Following up

    def _follow(self, one: _System, seen: _Look, now_ms: int) -> int:
        if seen.problem:
            self._lost(one, seen.problem, now_ms)
            return 0
        self._heard(one, now_ms)
        agents = {agent.name: agent for agent in seen.watched.agents}
        self._attend(one, seen.watched, agents, now_ms)
        steps = look(self._hub, partial(_steps, one=one, seen=seen))
        lead_all(self._hub, steps)
        if seen.watched.mark != one.mark:
            one.mark = seen.watched.mark
            lead(self._hub, partial(_remember, url=one.url, mark=one.mark, now_ms=now_ms))
        return len(steps)

    def _lost(self, one: _System, problem: str, now_ms: int) -> None:
        one.problem = problem
        if one.lost_ms is None:
            one.lost_ms = now_ms
        if not one.noted:
            one.noted = True
            absence = Absence(since_ms=max(1, one.lost_ms), why=problem[:WORDS])
            lead(self._hub, partial(note, url=one.url, absence=absence))
        if not one.told and now_ms - one.lost_ms >= TOLD_MS:
            one.told = True
            reason = f"{one.url} does not answer: {problem}; nothing is ordered for it, and none of its machines is stopped"
            lead(self._hub, partial(_alert, reason=reason[:500]))

    def _heard(self, one: _System, now_ms: int) -> None:
        if one.away:
            one.back_ms = now_ms
        if one.noted:
            one.noted = False
            lead(self._hub, partial(note, url=one.url, absence=Absence()))
        if one.told:
            one.told = False
            lead(self._hub, partial(_alert, reason=f"{one.url} answers again"))
        one.heard_ms, one.lost_ms = now_ms, None

    def _attend(self, one: _System, watched: Watched, agents: Mapping[str, Agent], now_ms: int) -> None:
        """Machines, before what runs on them."""
        for pool in one.pools:
            if pool.name not in self._hub.providers:
                self._enrol(pool, agents.values())
        runs = {run.agent for run in watched.running}
        machines = look(self._hub, partial(_machines, pools=one.pools))
        one.quiet = {each.id: one.quiet.get(each.id, 0) for each in machines}
        for machine in machines:
            agent = agents.get(machine.name) or Agent(name=machine.name)
            if agent.connected:
                one.unseen.pop(machine.id, None)
            if agent.machine and agent.machine != machine.id:
                agent = msgspec.structs.replace(agent, connected=False)  # an older machine of that name
            self._attend_one(one, machine, agent, machine.name in runs, now_ms)

    def _attend_one(self, one: _System, machine: Machine, agent: Agent, runs: bool, now_ms: int) -> None:
        power, act = machine.power, partial(lead, self._hub)
        if power == Power.DRAINING:
            self._drain(one, machine, agent, runs)
            return
        one.quiet.pop(machine.id, None)
        if power in (Power.SUSPENDING, Power.SUSPENDED, Power.DELETING):
            _stands(one, machine, agent)
        elif power in attendance.COMING:
            if agent.connected and self._is_fresh(one, machine, agent, now_ms):
                act(partial(attendance.rise, machine_id=machine.id, agent=agent))
        elif agent.connected:
            if _differs(machine, agent):
                act(partial(attendance.rise, machine_id=machine.id, agent=agent))
            if agent.paused_by_us:
                self._pause(one, agent.name, False)
        elif machine.session and self._is_lost(one, machine, now_ms):
            act(partial(attendance.fall, machine_id=machine.id))

    def _is_lost(self, one: _System, machine: Machine, now_ms: int) -> bool:
        """Whether an agent has been away for longer than it takes to come back."""
        since_ms = one.unseen.setdefault(machine.id, now_ms)
        return now_ms - max(since_ms, one.back_ms) >= UNSEEN_MS

    def _is_fresh(self, one: _System, machine: Machine, agent: Agent, now_ms: int) -> bool:
        """Whether an agent that is seen is that of the machine that was ordered, not a connection of before."""
        if agent.machine == machine.id or machine.name not in one.before:
            return True
        return now_ms - machine.ordered_ms >= STALE_MS

    def _drain(self, one: _System, machine: Machine, agent: Agent, runs: bool) -> None:
        """A machine that is to stop, or that a person drains."""
        act, wanted = partial(lead, self._hub), wish_of(machine)
        if wanted is not None and (machine.since_ms < one.back_ms or runs or machine.busy):
            why = (
                "it was given a job meanwhile"
                if runs or machine.busy
                else "whether it is needed was not known"
            )
            act(partial(attendance.keep, machine_id=machine.id, why=why))
            one.quiet.pop(machine.id, None)
            return
        if agent.connected and not agent.paused:
            self._pause(one, agent.name, True)
            one.quiet[machine.id] = 0
            return
        one.quiet[machine.id] += 1
        if wanted is not None and one.quiet[machine.id] >= LETS_GO:
            act(partial(attendance.let_go, machine_id=machine.id))

    def _pause(self, one: _System, agent: str, paused: bool) -> None:
        """Asked for once in each look; the next one shows whether it is so."""
        self._beside.later(f"pause {one.url} {agent} {paused}", partial(_try, one.queue.pause, agent, paused))

    def _enrol(self, pool: Pool, agents: Iterable[Agent]) -> None:
        """Machines of pools that nobody orders for come by themselves."""
        known = look(self._hub, lambda tx, farm: {one.name for one in tx.find(Machine, "pool", pool.name)})
        for agent in agents:
            if (
                pool.serves
                and pool.serves.is_name(agent.name)
                and agent.connected
                and agent.name not in known
            ):
                fresh = self._hub.entropy.token(8)
                lead(self._hub, partial(attendance.enrol, pool=pool, agent=agent, machine_id=fresh))


def _stands(one: _System, machine: Machine, agent: Agent) -> None:
    """Whether the agent of a machine that stops, or sleeps, is still shown as if it were there."""
    if agent.connected:
        one.before.add(machine.name)
    else:
        one.before.discard(machine.name)


def _differs(machine: Machine, agent: Agent) -> bool:
    takes = not agent.paused or agent.paused_by_us
    return not machine.session or machine.accepting != takes


def _try(act: Callable[..., object], *words: object) -> None:
    with suppress(Exception):  # the next look shows that nothing came of it
        act(*words)


def _name(url: str) -> str:
    return f"queue {url}"


def _machines(tx: Tx, farm: Farm, pools: tuple[Pool, ...]) -> list[Machine]:
    """Those of these pools that are not gone."""
    names = {pool.name for pool in pools}
    found = [one for power in (Power.UP, *ASLEEP) for one in tx.find(Machine, "power", power)]
    return [one for one in found if one.pool in names]


def _steps(tx: Tx, farm: Farm, one: _System, seen: _Look) -> list[Callable[[Step], Any]]:
    """What of a look is not in the books yet, as transactions: ends first, then what begins, then what waits."""
    open_, watched = mirror.open_jobs(tx, farm, one.url), seen.watched
    machines = {each.name: each.id for each in _machines(tx, farm, one.pools)}
    steps: list[Callable[[Step], Any]] = []
    moved = {run.request.id for run in (*watched.running, *watched.ended)}
    fated = [run for fate in seen.fates.values() for run in fate.runs]
    for run in sorted(
        (*watched.ended, *fated, *watched.running), key=lambda run: (not run.ended_ms, run.ended_ms, run.id)
    ):
        steps += _run_steps(tx, one, run, machines, open_.get(run.request.id))
    for request in watched.waiting:
        if request.id not in moved and request.id not in open_ and mirror.platform_of(request, one.pools):
            steps.append(partial(mirror.appear, url=one.url, request=request, pools=one.pools))
    for request_id, fate in seen.fates.items():
        if request_id in open_ and fate.state != "open":
            steps.append(partial(mirror.close, name=open_[request_id].id, fate=fate))
    return steps


def _run_steps(
    tx: Tx, one: _System, run: Run, machines: Mapping[str, str], job: Job | None
) -> list[Callable[[Step], Any]]:
    """What one run changes in the books."""
    attempt = tx.get(Attempt, mirror.attempt_id(one.url, run))
    if attempt is not None:
        ends = run.ended_ms and not attempt.settled
        return [partial(mirror.end, url=one.url, run=run)] if ends else []
    if run.agent not in machines:
        mine = job is not None and job.state != "running" and not (run.ended_ms and run.result == "lost")
        return [partial(mirror.elsewhere, name=job.id, agent=run.agent)] if job is not None and mine else []
    begin = partial(mirror.begin, url=one.url, run=run, machine_id=machines[run.agent], pools=one.pools)
    return [begin, partial(mirror.end, url=one.url, run=run)] if run.ended_ms else [begin]


def _remember(step: Step, url: str, mark: str, now_ms: int) -> None:
    """How far the ends of that system are known, for who leads next."""
    known = step.tx.get(Memory, _name(url))
    fresh = Memory(id=_name(url), at_ms=now_ms, content=mark.encode())
    if known is None:
        step.tx.insert(fresh)
    else:
        step.put(msgspec.structs.replace(fresh, version=known.version))


def _alert(step: Step, reason: str) -> None:
    step.tell(Event(kind="farm", state="alert", reason=reason))
