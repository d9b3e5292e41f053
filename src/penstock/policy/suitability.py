"""Whether a machine suits a job, and why not: its state, its kind, its pool, the room on it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from penstock.model.decision import Reason
from penstock.model.machine import Machine
from penstock.model.rules import Pool
from penstock.model.snapshot import Ask, PoolFacts, Snapshot
from penstock.model.states import Health, Power
from penstock.model.units import Size
from penstock.policy.budgets.curbs import BARRED, room

FIT = (Health.UNKNOWN, Health.GOOD)
OLD = "its agent is too old to lead jobs to the world through the hub, the job asks for network: full"
OPEN_TO_ALL = "the job is given secrets, and it takes untrusted jobs, too"


def refusals(ask: Ask, machine: Machine, snapshot: Snapshot) -> list[Reason]:
    """Why this machine does not take such jobs at all at this time, whatever runs on it; [] when it does."""
    return [*state_refusals(machine, snapshot), *kind_refusals(ask, machine, snapshot)]


def why_not(ask: Ask, machine: Machine, snapshot: Snapshot) -> list[Reason]:
    """As `refusals`, and whether there is room at this moment. For people who ask why a job waits."""
    found = refusals(ask, machine, snapshot)
    if found:
        return found
    if len(machine.busy) >= machine.slots:
        return [Reason("busy", f"all {machine.slots} slots are taken")]
    if not fits(ask, machine, machine.taken):
        return [
            Reason("full", f"{said(machine.has.less(machine.taken))} is free, it asks for {said(ask.size)}")
        ]
    return []


def state_refusals(machine: Machine, snapshot: Snapshot) -> Iterator[Reason]:
    """Why this machine takes no job of any kind now."""
    facts = snapshot.pools.get(machine.pool)
    if machine.power != Power.UP:
        yield Reason("power", f"it is {machine.power}")
    elif not machine.accepting:
        yield Reason("session", "its agent is not there or takes nothing more")
    if machine.health not in FIT:
        yield Reason("health", f"it is {machine.health}: {machine.health_reason}")
    if facts is not None and facts.suspect:
        yield Reason("pool", f"too many machines of {machine.pool} failed together")


def kind_refusals(ask: Ask, machine: Machine, snapshot: Snapshot) -> Iterator[Reason]:
    """Why machines of this kind take no such jobs, in whatever state they are."""
    yield from _lasting(ask, machine, snapshot)
    facts = snapshot.pools.get(machine.pool)
    if ask.network == "full" and facts is not None and facts.through and not machine.forwards:
        yield Reason("agent-old", OLD)
    if snapshot.curbs:
        yield from _curbed(ask, machine.pool, snapshot)


def _curbed(ask: Ask, pool: str, snapshot: Snapshot) -> Iterator[Reason]:
    """Which guards let such jobs start nothing in a pool; they let go some day."""
    for one in snapshot.curbs:
        if room((one,), ask, pool) != BARRED:
            continue
        if one.stopped:
            yield Reason("stopped", f"pool {pool} is stopped: {one.why}")
        else:
            yield Reason("guard", f"guard {one.guard} keeps jobs of class {ask.klass} from it")


def _lasting(ask: Ask, machine: Machine, snapshot: Snapshot) -> Iterator[Reason]:
    """As far as the machine and the rules say."""
    facts = snapshot.pools.get(machine.pool)
    if ask.platform not in machine.platforms:
        yield Reason("platform", f"it has no {ask.platform}")
    elif ask.platform in snapshot.fingerprinted and ask.identity and ask.identity != machine.identity:
        yield Reason("identity", f"its {ask.platform} is not the one that the job was planned for")
    if ask.trust not in machine.trust:
        yield Reason("trust", f"it takes no {ask.trust} jobs")
    elif ask.trust == "trusted" and machine.sandbox == "plain":
        yield Reason("sandbox", "it runs without a sandbox, trusted jobs need one")
    if ask.secrets and "untrusted" in machine.trust:
        yield Reason("secrets", OPEN_TO_ALL)
    yield from _pool_refusals(ask, machine.pool, facts or PoolFacts(name=machine.pool))
    if not fits(ask, machine, Size(0, 0)):
        yield Reason("size", f"it has {said(machine.has)}, the job asks for {said(ask.size)}")


def of_pool(ask: Ask, pool: Pool) -> list[Reason]:
    """Why no machine that this pool has or could get takes such jobs; [] when one might."""
    found = []
    if ask.platform not in pool.platforms:
        found.append(Reason("platform", f"it has no {ask.platform}"))
    if ask.trust not in pool.trust:
        found.append(Reason("trust", f"it takes no {ask.trust} jobs"))
    if ask.secrets and "untrusted" in pool.trust:
        found.append(Reason("secrets", OPEN_TO_ALL))
    facts = facts_of(pool)
    found += _pool_refusals(ask, pool.name, facts)
    if pool.size is not None and not ask.size.fits(pool.size):
        found.append(
            Reason("size", f"its machines have {said(pool.size)}, the job asks for {said(ask.size)}")
        )
    return found


def facts_of(pool: Pool) -> PoolFacts:
    """What farm.toml alone says of a pool."""
    return PoolFacts(
        name=pool.name,
        classes=pool.classes,
        projects=pool.projects,
        hub_only=pool.closed,
        through=pool.through,
        agent=pool.agent,
    )


def of_all(
    ask: Ask, pools: Iterable[Pool], machines: Mapping[str, Sequence[Machine]], snapshot: Snapshot
) -> list[tuple[str, Reason]] | None:
    """Why no pool that there is can ever take such jobs, pool by pool; None when one might.

    `machines`: of each pool those that are known. As far as the rules and the machines say: either may change.
    """
    found: list[tuple[str, Reason]] = []
    for pool in pools:
        refused = of_pool(ask, pool) or _of_each(ask, machines.get(pool.name, ()), snapshot)
        if not refused:
            return None
        found += [(pool.name, why) for why in refused]
    return found


def _of_each(ask: Ask, machines: Sequence[Machine], snapshot: Snapshot) -> list[Reason]:
    """Why none of these machines is of a kind that takes it; [] when one is, or when there is none."""
    refused = [list(_lasting(ask, machine, snapshot)) for machine in machines]
    return sorted({why for found in refused for why in found}) if refused and all(refused) else []


def _pool_refusals(ask: Ask, pool: str, facts: PoolFacts) -> Iterator[Reason]:
    if ask.agent != facts.agent:
        yield Reason("agent", f"its machines run {facts.agent}, the job is for {ask.agent}")
    if ask.pools and pool not in ask.pools:
        given = f"pool{'s' if len(ask.pools) > 1 else ''} {', '.join(ask.pools)}"
        yield Reason("rule", f"the rule for this change gives it the {given}, not {pool}")
    if facts.classes and ask.klass not in facts.classes:
        yield Reason("class", f"its pool takes no jobs of class {ask.klass}")
    if facts.projects and ask.project not in facts.projects:
        whose = f"of project {ask.project}" if ask.project else "without a project"
        yield Reason("project", f"its pool takes no jobs {whose}")
    if facts.hub_only and ask.network == "full":
        yield Reason("network", f"pool {pool} reaches only the hub, the job asks for network: full")


def fits(ask: Ask, machine: Machine, taken: Size) -> bool:
    """True when the job fits beside what is taken; a machine without sizes runs one job per slot."""
    return not machine.sized or ask.size.fits(machine.has.less(taken))


def said(size: Size) -> str:
    """A size in words."""
    memory = "" if size.memory_mb is None else f", {size.memory_mb} MB"
    return f"{size.cores} core{'' if size.cores == 1 else 's'}{memory}"
