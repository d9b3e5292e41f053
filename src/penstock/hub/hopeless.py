"""Jobs of a build that nobody could ever take, as far as the farm is known: who submits them is warned at once."""

from collections.abc import Iterable

import msgspec

from penstock.hub import placer
from penstock.hub.context import Hub
from penstock.hub.steps import look
from penstock.model.decision import Reason
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.snapshot import Ask, ask_of
from penstock.policy.suitability import of_all
from penstock.ports import Tx

NAMED = 5
"""So many pools are named with why they refuse; of the others it is said how many there are."""


def warnings(hub: Hub, build_id: str) -> tuple[str, ...]:
    """For each platform with open jobs that no machine and no pool of the farm can ever take one sentence, by name."""

    def read(tx: Tx, farm: Farm) -> tuple[str, ...]:
        jobs = [job for job in tx.find(Job, "build", build_id) if job.open]
        refused = _refused(hub, tx, farm, {_kind(job) for job in jobs})
        platforms = sorted({kind.platform for kind in refused})
        return tuple(
            _sentence([job for job in jobs if job.spec.platform == name], refused) for name in platforms
        )

    return look(hub, read)


def _kind(job: Job) -> Ask:
    """What a job asks for, without what is its own and no pool looks at."""
    return msgspec.structs.replace(ask_of(job), steady=False, lost_on=(), level=0)


def _refused(hub: Hub, tx: Tx, farm: Farm, kinds: Iterable[Ask]) -> dict[Ask, list[tuple[str, Reason]]]:
    """Why every pool refuses, for those that all of them do."""
    machines = {pool.name: tx.find(Machine, "pool", pool.name) for pool in hub.rules.pools}
    snapshot = placer.about(hub, tuple(one for mine in machines.values() for one in mine), farm.time_ms)
    told = {kind: of_all(kind, hub.rules.pools, machines, snapshot) for kind in kinds}
    return {kind: refused for kind, refused in told.items() if refused is not None}


def _sentence(jobs: list[Job], refused: dict[Ask, list[tuple[str, Reason]]]) -> str:
    """One sentence on the jobs of one platform, some of which are refused: why, by the first of these."""
    hopeless = [job for job in jobs if _kind(job) in refused]
    first = hopeless[0]
    why: dict[str, list[str]] = {}
    for pool, reason in refused[_kind(first)]:
        why.setdefault(pool, []).append(reason.text)
    told = [f"pool {pool}: {', '.join(texts)}" for pool, texts in why.items()][:NAMED]
    if len(why) > NAMED:
        told.append(f"{len(why) - NAMED} more pools")
    which = f"{len(hopeless)} of {len(jobs)} jobs" if len(hopeless) < len(jobs) else "the jobs"
    return (
        f"no machine and no pool of this farm can ever take {which} for {first.spec.platform}, such as {first.name}: "
        f"{'; '.join(told) or 'it has no pool'}"
    )
