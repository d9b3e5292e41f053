"""What one storm's farm is: pools, prices, projects, and the jobs of its day, all drawn from the seed."""

from dataclasses import dataclass
from random import Random

import msgspec

from penstock.model.job import JobSpec, Trust
from penstock.model.plan import PlannedJob
from penstock.model.rules import Billing, Lease, Platform, Pool, Project, Quantiles, Rules, Waiting
from penstock.model.units import MS_PER_HOUR as HOUR_MS
from penstock.model.units import Size

MINUTE_MS = 60_000
PLATFORMS = ("linux", "wasm")
PROJECTS = ("", "north", "south")
LEASES = (
    Lease(contact_ms=900_000, right_ms=1_800_000, offer_ms=10_000),
    Lease(contact_ms=900_000, right_ms=1_500_000, offer_ms=60_000),
)
WORK_MS = 3 * HOUR_MS
"""Changes come in the first hours of a day."""
QUEUE_MS = (20 * HOUR_MS, 20 * HOUR_MS, 90 * MINUTE_MS)
HANGS_MS = 100 * HOUR_MS
KEEP_MS = (5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS)
MAKES, LEAVES = 0.5, 0.2
"""How often a job makes what others reuse, or leaves artifacts."""


@dataclass(frozen=True)
class Asked:
    """One change of a day: when it comes, whose it is, its jobs and how long each lasts at speed 1."""

    at_ms: int
    project: str
    klass: str
    queue_limit_ms: int
    jobs: tuple[PlannedJob, ...]
    lasts_ms: tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """One farm and its day. `keep_ms`: so long what was made is kept though nobody reads it."""

    rules: Rules
    asked: tuple[Asked, ...]
    keep_ms: int = 0


def draw(seed: int) -> Drawn:
    """All of it; the same for the same seed."""
    chance = Random(f"farm {seed}")
    rules = Rules(
        platforms={name: Platform(name=name, image="none") for name in PLATFORMS},
        pools=_pools(chance),
        lease=chance.choice(LEASES),
        waiting=Waiting(price_per_hour_micros=chance.choice((0, 20_000_000, 500_000_000))),
        projects={name: Project(name=name, share=share) for share, name in enumerate(PROJECTS[1:], 1)},
    )
    times = sorted(chance.randrange(WORK_MS) for _ in range(chance.randint(6, 14)))
    asked = tuple(_asked(chance, at_ms, number) for number, at_ms in enumerate(times))
    return Drawn(rules, asked, Random(f"keep {seed}").choice(KEEP_MS))


def _pools(chance: Random) -> tuple[Pool, ...]:
    """Owned machines that take all jobs there are, so that each job can run somewhere, and one to three rented pools."""
    own = Pool(
        name="own",
        provider="owned",
        platforms=PLATFORMS,
        machines=chance.randint(1, 2),
        slots=chance.choice((1, 1, 2)),
    )
    kinds = chance.sample((_burst, _spot, _quota, _single, _safe), chance.randint(1, 3))
    return (own, *(kind(chance) for kind in kinds))


def _rented(chance: Random, name: str, **about: object) -> Pool:
    boot_s = chance.choice((20, 45, 90))
    usual = Pool(
        name=name,
        provider="simulated",
        platforms=PLATFORMS,
        price_per_hour_micros=chance.choice((120_000, 403_200)),
        boot=Quantiles(boot_s * 1000, boot_s * 2000),
        suspend_ms=chance.choice((3_000, 30_000)),
        delete_ms=chance.choice((3_000, 40_000)),
        cold_cache_ms=chance.choice((0, 60_000)),
        billing=Billing(granularity_ms=1000, minimum_ms=60_000),
        max=chance.randint(3, 6),
    )
    return msgspec.structs.replace(usual, **about)


def _burst(chance: Random) -> Pool:
    """Machines that sleep between their jobs."""
    resume = Quantiles(15_000, 30_000)
    return _rented(
        chance,
        "burst",
        stopped_price_per_hour_micros=chance.choice((5_000, 40_000)),
        resume=resume,
        min=chance.randint(0, 1),
    )


def _spot(chance: Random) -> Pool:
    """Machines that are taken back."""
    return _rented(chance, "spot", price_per_hour_micros=90_000, reclaim_per_hour=chance.choice((0.3, 1.5)))


def _quota(chance: Random) -> Pool:
    """Machines of two slots, of which there are few."""
    return _rented(chance, "quota", slots=2, size=Size(4, 8_000), max=chance.randint(1, 2))


def _single(chance: Random) -> Pool:
    """A machine for each job."""
    return _rented(chance, "single", uses=1, projects=("", "north"))


def _safe(chance: Random) -> Pool:
    """Machines for trusted jobs alone."""
    return _rented(chance, "safe", trust=("trusted",))


def _asked(chance: Random, at_ms: int, number: int) -> Asked:
    """A change with one to five jobs; each needs some of those before it."""
    klass = chance.choice(("change", "change", "nightly", "release"))
    trust: Trust = "trusted" if klass == "release" else "untrusted"
    jobs: list[PlannedJob] = []
    for at in range(chance.choice((1, 2, 3, 3, 5, 8))):
        needs = tuple(one.id for one in jobs if chance.random() < 0.3)
        jobs.append(_job(chance, f"m{number % 5}-{at}", needs, klass, trust))
        if chance.random() < MAKES:
            jobs[-1] = _maker(chance, jobs[-1], number % 3, at % 3)
    lasts = tuple(_lasts_ms(chance) for _ in jobs)
    return Asked(at_ms, chance.choice(PROJECTS), klass, chance.choice(QUEUE_MS), tuple(jobs), lasts)


def _job(chance: Random, name: str, needs: tuple[str, ...], klass: str, trust: Trust) -> PlannedJob:
    platform = chance.choice(PLATFORMS)
    spec = JobSpec(
        kind="test",
        module=name,
        platform=platform,
        commands=("run",),
        artifacts=("*.log",) if chance.random() < LEAVES else (),
        size=Size(chance.choice((0, 1, 1)), None),
        timeout_ms=2 * HOUR_MS,
        reuse="never",
        retry="never" if chance.random() < 0.1 else "farm",
        trust=trust,
        klass=klass,
    )
    return PlannedJob(id=name, kind="test", module=name, platform=platform, needs=needs, spec=spec)


def _maker(chance: Random, job: PlannedJob, variant: int, part: int) -> PlannedJob:
    """The job as one that makes what others reuse: of the same part and variant the same, where it needs nothing."""
    assert job.spec is not None
    platform = PLATFORMS[part % 2]
    needs = () if chance.random() < 0.6 else job.needs
    spec = msgspec.structs.replace(
        job.spec,
        kind="build",
        platform=platform,
        commands=(f"make part {part} of variant {variant}",),
        artifacts=(),
        keep_worktree=part == 0,
        reuse=chance.choice(("passed", "passed", "all")),
        reuse_for_ms=chance.choice((None, None, 45 * MINUTE_MS)),
    )
    return msgspec.structs.replace(job, kind="build", platform=platform, needs=needs, spec=spec)


def _lasts_ms(chance: Random) -> int:
    """Mostly some minutes; one in a hundred hangs until it is ended."""
    if chance.random() < 0.01:
        return HANGS_MS
    return max(5_000, min(5_400_000, int(chance.lognormvariate(13.2, 0.9))))
