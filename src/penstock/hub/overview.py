"""What the first page of a farm says: what runs, what waits and why, what was built, what is wrong."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.hub.census import BuildLine, Census, Figures, Waiting
from penstock.hub.context import Hub
from penstock.hub.curbing import curbs_now
from penstock.hub.steps import look
from penstock.model.curb import Curb
from penstock.model.farm import Event, Farm
from penstock.model.job import Job
from penstock.model.machine import Machine, Session
from penstock.model.rules import Pool
from penstock.model.snapshot import PoolFacts, Snapshot, ask_of
from penstock.model.states import Health, JobState, Power
from penstock.model.units import DAY_MS, seconds
from penstock.policy import retry, suitability
from penstock.policy.silence import held
from penstock.ports import Tx

Document = dict[str, Any]
BUILDS_SHOWN = 12
GROUPS_SHOWN = 8
ALERTS_SHOWN = 6
KEPT_S = 1.0
ALERT_MS = DAY_MS
"""How long what the farm told is shown on the first page."""
OPEN_STATES = (JobState.RUNNING, JobState.OFFERED, JobState.QUEUED, JobState.BLOCKED, JobState.HELD)


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """The farm's row, its machines and their open sessions, and the first job of each group that waits.

    `kinds` are machines that answer alike to any job, with how many there are.
    """

    farm: Farm
    wall_ms: int
    machines: tuple[Machine, ...]
    sessions: dict[str, Session]
    heads: dict[str, Job] = {}
    kinds: tuple[tuple[Machine, int], ...] = ()
    curbs: tuple[Curb, ...] = ()


class Overview:
    """The first page's document; who asks within KEPT_S of each other is shown the same."""

    def __init__(self, hub: Hub, census: Census) -> None:
        self._hub, self._census = hub, census
        self._lock = threading.Lock()
        self._made: tuple[float, Document] | None = None

    def document(self) -> Document:
        """What is on the page now, or was a moment ago."""
        with self._lock:
            if self._made is None or time.monotonic() - self._made[0] > KEPT_S:
                made = overview(self._hub, self._census)
                self._made = time.monotonic(), made
            return self._made[1]


def overview(hub: Hub, census: Census) -> Document:
    """Everything on the first page, as one document."""
    figures = census.figures()
    now = _load(hub, [group.first for group in figures.queue[:GROUPS_SHOWN]])
    pools = pool_lines(hub.rules.pools, now)
    newest = figures.builds[:BUILDS_SHOWN]
    return {
        "now_s": seconds(now.wall_ms),
        "counted": figures.counted,
        "farm": farm_line(now.farm),
        "states": [{"state": str(state), "jobs": figures.states.get(state, 0)} for state in OPEN_STATES],
        "pools": pools,
        "slots": sum(pool["slots"] for pool in pools),
        "busy": sum(pool["busy"] for pool in pools),
        "queue": [_queue_line(hub, now, group) for group in figures.queue[:GROUPS_SHOWN]],
        "more_groups": max(0, len(figures.queue) - GROUPS_SHOWN),
        "waiting": sum(group.jobs for group in figures.queue),
        "builds": build_lines(census, newest),
        "builds_in_all": len(figures.builds),
        "alerts": alerts(now, pools, figures),
    }


def _load(hub: Hub, heads: Sequence[str]) -> Now:
    def read(tx: Tx, farm: Farm) -> Now:
        found = [job for name in heads if (job := tx.get(Job, name)) is not None]
        return Now(
            farm=farm,
            wall_ms=hub.clock.wall_ms(),
            machines=tuple(m for m in tx.find(Machine, "pool") if m.power != Power.GONE),
            sessions={one.machine: one for one in tx.find(Session, "open", True)},
            heads={job.id: job for job in found},
            curbs=curbs_now(hub, tx),
        )

    now = look(hub, read)
    return msgspec.structs.replace(
        now, kinds=tuple(Counter(map(_alike, now.machines if heads else ())).items())
    )


def farm_line(farm: Farm) -> Document:
    """Who leads, since when by farm time, and whether the farm stands still."""
    return {
        "name": farm.name,
        "leader": farm.leader,
        "epoch": farm.leader_epoch,
        "incarnation": farm.incarnation,
        "time_s": seconds(farm.time_ms),
        "frozen": farm.frozen,
        "frozen_reason": farm.frozen_reason,
    }


def pool_lines(pools: Sequence[Pool], now: Now) -> list[Document]:
    """Each pool with its slots and its machines by what is to be said of them; pools of no farm.toml come last."""
    members: dict[str, list[Machine]] = {pool.name: [] for pool in pools}
    for machine in now.machines:
        members.setdefault(machine.pool, []).append(machine)
    providers = {pool.name: pool.provider for pool in pools}
    return [_pool_line(name, providers.get(name, ""), mine, now) for name, mine in members.items()]


def _pool_line(name: str, provider: str, mine: list[Machine], now: Now) -> Document:
    here = [machine for machine in mine if machine.accepting]
    return {
        "name": name,
        "provider": provider,
        "machines": len(mine),
        "slots": sum(machine.slots for machine in here),
        "busy": sum(len(machine.busy) for machine in mine),
        "agents": dict(Counter(condition(machine, now.sessions.get(machine.id)) for machine in mine)),
        "power": _unlike_up(mine, now),
        "health": dict(Counter(str(m.health) for m in mine if m.health not in (Health.GOOD, Health.UNKNOWN))),
        "suspect": retry.pool_failed(mine, (), now.farm.time_ms),
    }


def _unlike_up(mine: list[Machine], now: Now) -> dict[str, int]:
    """Machines by power, but for those whose agent says the same word of itself."""
    told = ((str(m.power), condition(m, now.sessions.get(m.id))) for m in mine if m.power != Power.UP)
    return dict(Counter(power for power, agent in told if power != agent))


def condition(machine: Machine, session: Session | None) -> str:
    """What a machine does, in one word: its agent's session, or "away" when there is none."""
    return str(session.state) if session is not None else "away"


def _queue_line(hub: Hub, now: Now, group: Waiting) -> Document:
    job = now.heads.get(group.first)
    return {
        "platform": group.platform,
        "klass": group.klass,
        "jobs": group.jobs,
        "oldest_s": seconds(group.oldest_ms),
        "first": group.first,
        "name": job.name if job else "",
        "why": why_waiting(hub, now, job) if job else "it has just gone on",
    }


def why_waiting(hub: Hub, now: Now, job: Job) -> str:
    """Why the first of a group waits, in one clause."""
    if job.state != JobState.QUEUED:
        return f"it is {job.state} now"
    if now.farm.frozen:
        return "the farm is frozen"
    if job.not_before_ms > now.farm.time_ms:
        return f"tried again in {seconds(job.not_before_ms - now.farm.time_ms):.0f} s"
    able = [(machine, count) for machine, count in now.kinds if job.spec.platform in machine.platforms]
    if not able:
        return f"no machine has {job.spec.platform}"
    view = Snapshot(
        now_ms=now.farm.time_ms,
        pools=_facts(hub, now),
        fingerprinted=_fingerprinted(hub),
        curbs=now.curbs,
    )
    return _clause([(*_first_reason(job, machine, view), count) for machine, count in able])


def _alike(machine: Machine) -> Machine:
    """The machine without what tells it from those that answer alike."""
    nobody = {"id": "", "name": machine.name if machine.health_reason else "", "session": "", "version": 0}
    return msgspec.structs.replace(
        machine, **nobody, busy=tuple(range(len(machine.busy))), blamed=(), failed_ms=0
    )


def _first_reason(job: Job, machine: Machine, view: Snapshot) -> tuple[bool, str]:
    """Whether the machine takes such jobs at all, and what keeps it from taking this one now; "" when nothing."""
    lasting = suitability.refusals(ask_of(job), machine, view)
    if lasting:
        return False, lasting[0].text
    passing = suitability.why_not(ask_of(job), machine, view)
    return True, passing[0].text if passing else ""


def _clause(reasons: list[tuple[bool, str, int]]) -> str:
    """What keeps how many machines: those that take such jobs at all, else the commonest reason of the others."""
    takers = sum(count for takes, _, count in reasons if takes)
    if any(takes and not text for takes, text, _ in reasons):
        return "a machine has room: it goes in the next pass"
    if takers:
        return (
            f"all {takers} machines that take it are full"
            if takers > 1
            else "the one machine that takes it is full"
        )
    counts: Counter[str] = Counter()
    for _, text, count in reasons:
        counts[text] += count
    ((text, most),) = counts.most_common(1)
    return (
        f"{most} of {counts.total()} machines: {text}" if counts.total() > 1 else f"its one machine: {text}"
    )


def _facts(hub: Hub, now: Now) -> dict[str, PoolFacts]:
    mine: dict[str, list[Machine]] = {}
    for machine in now.machines:
        mine.setdefault(machine.pool, []).append(machine)
    return {
        pool.name: PoolFacts(
            name=pool.name,
            suspect=retry.pool_failed(mine.get(pool.name, []), (), now.farm.time_ms),
            classes=pool.classes,
            hub_only=pool.closed,
            through=pool.through,
        )
        for pool in hub.rules.pools
    }


def _fingerprinted(hub: Hub) -> frozenset[str]:
    return frozenset(name for name, platform in hub.rules.platforms.items() if platform.image == "host")


def build_lines(census: Census, lines: Sequence[BuildLine]) -> list[Document]:
    """Builds with how many of their jobs are where; `jobs` is None where that was not counted in time."""
    tallies = census.tallies(line.build.id for line in lines)
    return [_build_line(line, tallies.get(line.build.id)) for line in lines]


def _build_line(line: BuildLine, tally: Counter[str] | None) -> Document:
    build = line.build
    return {
        "id": build.id,
        "source": build.source,
        "ref": line.ref,
        "project": line.project,
        "who": line.who,
        "state": str(build.state),
        "reason": build.reason,
        "created_s": seconds(build.created_ms),
        "ended_s": seconds(build.ended_ms) if build.ended_ms else None,
        "jobs": None if tally is None else sum(tally.values()),
        "to_go": 0 if tally is None else sum(tally.get(state, 0) for state in OPEN_STATES),
        "bar": [] if tally is None else bar(tally),
    }


BAR = (
    ("passed", (JobState.PASSED,)),
    ("reused", (JobState.REUSED,)),
    ("failed", (JobState.FAILED,)),
    ("error", (JobState.ERROR, JobState.EXPIRED)),
    ("blocked_dead", (JobState.BLOCKED_DEAD,)),
    ("cancelled", (JobState.CANCELLED, JobState.SUPERSEDED)),
    ("running", (JobState.RUNNING, JobState.OFFERED)),
    ("queued", (JobState.QUEUED, JobState.BLOCKED, JobState.HELD)),
)
"""Parts of a build's bar from left to right, and the states that each counts."""


def bar(tally: Mapping[str, int]) -> list[Document]:
    """The parts of a bar that are not empty: {"kind", "jobs"}."""
    counts = [(kind, sum(tally.get(state, 0) for state in states)) for kind, states in BAR]
    return [{"kind": kind, "jobs": jobs} for kind, jobs in counts if jobs]


def alerts(now: Now, pools: Sequence[Document], figures: Figures) -> list[Document]:
    """What needs a person, the worst first: {"level", "what", "text", "link"}, `at_s` where it happened once."""
    found: list[Document] = []
    if now.farm.frozen:
        why = now.farm.frozen_reason or "no reason is given"
        found.append(_alert("bad", "frozen", f"{why}. Nothing is decided until penstock thaw --adopt"))
    found += [
        _alert(
            "bad",
            f"pool {pool['name']}",
            "too many of its machines failed together: nothing is placed there for ten minutes, or until an operator says"
            f" that they are well: penstock pools trust {pool['name']}",
        )
        for pool in pools
        if pool["suspect"]
    ]
    found += [
        _alert(
            "bad",
            f"pool {pool}",
            f"{one.why}: it is held as it is until fewer are silent",
            f"/machines?pool={pool}",
        )
        for one in now.curbs
        if (pool := held(one))
    ]
    found += _about_machines(now)
    told = [*figures.events.get("farm", ()), *figures.events.get("alert", ())]
    # That it was frozen is the first line already.
    new = (e for e in told if e.state != "frozen" or not now.farm.frozen)
    recent = sorted((e for e in new if e.at_ms > now.wall_ms - ALERT_MS), key=lambda e: -e.seq)
    return [*found, *(_told(event) for event in recent[:ALERTS_SHOWN])]


def _about_machines(now: Now) -> list[Document]:
    """Machines that are not what they should be, those of one complaint in one line."""
    groups: dict[tuple[str, str], list[Machine]] = {}
    for machine in now.machines:
        if machine.health in (Health.SUSPECT, Health.BAD, Health.QUARANTINED):
            groups.setdefault((str(machine.health), machine.health_reason), []).append(machine)
    lines = []
    for (health, reason), mine in sorted(groups.items()):
        names = ", ".join(sorted(m.name for m in mine)[:3]) + (
            f" and {len(mine) - 3} more" if len(mine) > 3 else ""
        )
        link = f"/machines/{mine[0].id}" if len(mine) == 1 else f"/machines?pool={mine[0].pool}"
        lines.append(_alert("warn", health, f"{names}: {reason}" if reason else names, link))
    return lines


def _alert(level: str, what: str, text: str, link: str = "", at_s: float | None = None) -> Document:
    return {"level": level, "what": what, "text": text, "link": link, "at_s": at_s}


def _told(event: Event) -> Document:
    level = "warn" if event.state in ("alert", "frozen") or event.kind == "alert" else "note"
    link = f"/machines/{event.machine}" if event.machine else ""
    return _alert(level, event.state or event.kind, event.reason, link, seconds(event.at_ms))
