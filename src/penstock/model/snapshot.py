"""A frozen picture of the farm at one instant: what waits, grouped by what it asks for, and what could take it.

The live hub and the simulator make the same picture, so a policy cannot tell them apart.
"""

import sys
from collections.abc import Iterable

import msgspec

from penstock.model.curb import Curb
from penstock.model.job import Job, Trust
from penstock.model.machine import Machine
from penstock.model.pool_foreign import OURS
from penstock.model.units import Size

TURN_BITS = 33
"""How many bits of a rank say whose turn it is within its level; what is above them is the level."""


class Ask(msgspec.Struct, frozen=True, order=True):
    """What a job asks of a machine; jobs with equal asks are alike to placement.

    `steady`: it was reclaimed before and wants a machine that is not. `lost_on`: machines that it rather avoids.
    `pools`: those that its change may use, empty = all. `level`: the part of its rank that goes before all turns,
    lower first; a job that one of a higher class waits for has that one's level, but a class of its own. `secrets`: it is
    given some. `network`, `agent`: as in JobSpec.
    """

    platform: str
    identity: str
    trust: Trust
    klass: str
    size: Size
    steady: bool = False
    lost_on: tuple[str, ...] = ()
    project: str = ""
    pools: tuple[str, ...] = ()
    level: int = 0
    secrets: bool = False
    network: str = "none"
    agent: str = OURS


class Queued(msgspec.Struct, frozen=True, order=True):
    """One job that waits for a machine, in the order of the queue: rank, then ready time, then id.

    `since_ms`: since when it has waited in the queue, farm time; `name`: what its duration is known by.
    """

    rank: int
    ready_ms: int
    job: str
    version: int = 0
    since_ms: int = 0
    name: str = ""


class Group(msgspec.Struct, frozen=True):
    """All queued jobs of one ask, first to go first."""

    ask: Ask
    jobs: tuple[Queued, ...]


class PoolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What placement must know of a pool. `classes` and `projects` empty = all. `hub_only`: it reaches nothing but the hub,
    not even through it; `through`: it reaches what it does through the hub alone. `agent`: whose its machines run."""

    name: str
    rented: bool = False
    reclaimed: bool = False
    suspect: bool = False
    classes: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    hub_only: bool = False
    through: bool = False
    agent: str = OURS


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The farm at `now_ms` of farm time.

    `wake_ms`: when the next job that backs off may be tried, None when none does. `fingerprinted`: platforms
    whose image is the machine itself, so that its measured fingerprint must be the one that was planned with.
    `running`: cores that the live attempts of each project hold. `shares`: parts of the farm by project, 1 where
    none is named. `curbs`: what guards of budgets forbid.
    """

    now_ms: int
    groups: tuple[Group, ...] = ()
    machines: tuple[Machine, ...] = ()
    pools: dict[str, PoolFacts] = {}
    fingerprinted: frozenset[str] = frozenset()
    wake_ms: int | None = None
    running: dict[str, int] = {}
    shares: dict[str, int] = {}
    curbs: tuple[Curb, ...] = ()


def ask_of(job: Job) -> Ask:
    """What this job asks of a machine."""
    spec = job.spec
    return Ask(
        platform=spec.platform,
        identity=spec.identity,
        trust=spec.trust,
        klass=spec.klass,
        size=spec.size,
        steady=job.steady,
        lost_on=job.lost_on,
        project=job.project,
        pools=job.pools,
        level=job.rank >> TURN_BITS,
        secrets=bool(spec.secrets),
        network=spec.network,
        agent=spec.agent,
    )


def queued(job: Job) -> Queued:
    """A job in the queue, as views keep it; of its name there is one copy, however many jobs have it."""
    name = sys.intern(name_of(job))
    since_ms = job.deadline_ms - job.queue_limit_ms
    return Queued(job.rank, job.ready_ms, job.id, job.version, since_ms, name)


def name_of(job: Job) -> str:
    """What durations of such jobs are learnt by: platform, project, module and kind."""
    spec = job.spec
    return "\n".join((spec.platform, job.project, spec.module, spec.kind))


def groups_of(jobs: Iterable[Job], now_ms: int) -> tuple[tuple[Group, ...], int | None]:
    """Queued jobs by what they ask for, groups in the order of their heads, and when the next one that backs
    off may be tried (farm time; None when none does). O(jobs log jobs)."""
    found: dict[Ask, list[Queued]] = {}
    later: list[int] = []
    for job in jobs:
        if job.not_before_ms > now_ms:
            later.append(job.not_before_ms)
            continue
        found.setdefault(ask_of(job), []).append(queued(job))
    groups = [Group(ask, tuple(sorted(waiting))) for ask, waiting in found.items()]
    groups.sort(key=lambda group: group.jobs[0])
    return tuple(groups), min(later, default=None)
