"""Why a queued job waits: which machine or pool refuses it and why, how many go before it, when it should start."""

from penstock.hub.dealings import SAYS, Dealing, dealings
from penstock.hub.explain import pools as whole
from penstock.hub.explain.curbed import curbed
from penstock.hub.explain.systems import unanswered
from penstock.hub.explain.told import About, Said, View, basis, expectation, span
from penstock.hub.outlook import Outlook, Scene
from penstock.model.decision import Reason
from penstock.model.job import Job
from penstock.model.machine import Machine
from penstock.model.snapshot import Snapshot, ask_of
from penstock.model.states import Power
from penstock.policy.suitability import of_all, of_pool, why_not

NAMED = 3
"""So many machines are named for each reason; of the others it is said how many there are."""
TOLD = ("together", "away", "in-vain", "max", "orphans-ask")
"""What is said of a pool that could take the job; strangers there only where somebody has to act."""


def queued(view: View) -> Said:
    """All that keeps a queued job."""
    job = view.job
    scene = Scene(view.hub, view.tx, view.farm, job)
    expected = scene.of_start()
    ever = {pool.name: view.tx.find(Machine, "pool", pool.name) for pool in view.hub.rules.pools}
    machines = {name: [one for one in mine if one.power != Power.GONE] for name, mine in ever.items()}
    there = _machines(job, machines, scene.snapshot)
    pools = [*_pools(view, machines), *_of_pools(view, ever), *_unanswered(view)]
    shares = [*curbed(view, scene.snapshot), *_shares(job, scene.snapshot)]
    sentences = [f"{job.name} is queued: {job.reason}.", *_delays(view)]
    if expected is not None and expected.sure:
        sentences.append(_before(expected.before, sure=True))
    else:
        sentences.append(_before(scene.before(), scene.whole))
    if expected is not None:
        sentences.append(starts("It", expected))
    sentences += [f"{why.text[0].upper()}{why.text[1:]}." for why in shares]
    sentences += [*_counted(there, machines), *(f"{why.subject}: {why.text}." for why in pools)]
    if never := _never(view, machines, scene.snapshot):
        sentences.append(never.text + ".")
    elif expected is None:
        sentences.append("When it starts cannot be said: no machine takes it now.")
    reasons = [*there, *pools, *shares, *([never] if never else [])]
    return Said(sentences=sentences, reasons=reasons, expected=expected)


def _before(count: int, sure: bool) -> str:
    """How many go before a job."""
    least = "" if sure else "At least "
    return f"{least}1 job goes before it." if count == 1 else f"{least}{count} jobs go before it."


def starts(who: str, outlook: Outlook) -> str:
    """When it starts, and what that is counted from."""
    if not outlook.sure:
        # What was looked at may be for other machines; then nothing is known of those in between.
        least = f" in more than {span(outlook.p50_ms)}" if outlook.p50_ms else " later"
        return f"{who} is expected to start{least}: more jobs go before it than were looked at."
    told = f"{who} is expected to start {expectation(outlook)}"
    return f"{told}, {basis(outlook)}." if outlook.learnt + outlook.assumed else f"{told}."


def _delays(view: View) -> list[str]:
    lines = []
    if view.job.not_before_ms > view.farm.time_ms:
        lines.append(f"It is tried again in {span(view.job.not_before_ms - view.farm.time_ms)}.")
    if view.farm.frozen:
        lines.append(f"The farm is frozen, nothing starts: {view.farm.frozen_reason or 'a person froze it'}.")
    return lines


def _machines(job: Job, machines: dict[str, list[Machine]], snapshot: Snapshot) -> list[About]:
    return [
        About(subject=machine.name, code=why.code, text=why.text + _on_its_way(machine, why))
        for mine in machines.values()
        for machine in mine
        for why in why_not(ask_of(job), machine, snapshot) or [Reason("free", "it has room now")]
    ]


def _on_its_way(machine: Machine, why: Reason) -> str:
    """What its provider says of a machine that is coming."""
    said = machine.power_reason.partition(SAYS)[2] if why.code == "power" else ""
    return f"{SAYS}{said}" if said else ""


def _pools(view: View, machines: dict[str, list[Machine]]) -> list[About]:
    """What is to be said of pools that have no machine."""
    found = []
    for pool in view.hub.rules.pools:
        if machines[pool.name]:
            continue
        refused = of_pool(ask_of(view.job), pool)
        none = Reason("empty", "it has no machine and starts none yet")
        found += [
            About(subject=f"pool {pool.name}", code=why.code, text=why.text) for why in refused or [none]
        ]
    return found


def _of_pools(view: View, ever: dict[str, list[Machine]]) -> list[About]:
    """What keeps whole pools from starting it, of those that could."""
    standing, ask = dealings(view.tx), ask_of(view.job)
    return [
        about
        for pool in view.hub.rules.pools
        if not of_pool(ask, pool)
        for about in whole.of_pool(
            pool, ever[pool.name], standing.get(pool.name, Dealing()), view.farm.time_ms
        )
        if about.code in TOLD
    ]


def _unanswered(view: View) -> list[About]:
    """Of pools that could take it those whose own system says nothing."""
    ask = ask_of(view.job)
    mine = tuple(pool for pool in view.hub.rules.pools if not of_pool(ask, pool))
    return unanswered(view.tx, mine, view.farm.time_ms)


def _shares(job: Job, snapshot: Snapshot) -> list[About]:
    """Who else of this level waits, when shares decide between them."""
    ask = ask_of(job)
    waiting = {group.ask.project for group in snapshot.groups if group.ask.level == ask.level}
    if not waiting - {ask.project}:
        return []
    held = snapshot.running.get(ask.project, 0)
    share = snapshot.shares.get(ask.project, 1)
    whose = f"project {ask.project}" if ask.project else "changes without a project"
    parts = f"{share} part{'s' if share > 1 else ''}"
    text = f"{whose} hold{'s' if ask.project else ''} {held} cores for {parts} of the farm; of one class those go first that hold least for theirs"
    return [About(subject=ask.project, code="share", text=text)]


def _never(view: View, machines: dict[str, list[Machine]], snapshot: Snapshot) -> About | None:
    """Whether no machine and no pool can ever take it, as far as farm.toml and the machines say."""
    refused = of_all(ask_of(view.job), view.hub.rules.pools, machines, snapshot)
    if refused is None:
        return None
    told = "; ".join(f"pool {pool}: {why.text}" for pool, why in refused) or "it has no pool"
    text = f"No machine and no pool of this farm can ever take it: {told}"
    return About(subject=view.job.id, code="never", text=text)


def _counted(reasons: list[About], machines: dict[str, list[Machine]]) -> list[str]:
    """One sentence per reason, with the machines that it is true of."""
    if not any(machines.values()):
        return ["The farm has no machine."]
    names: dict[str, list[str]] = {}
    for reason in reasons:
        names.setdefault(reason.text, []).append(reason.subject)
    lines = []
    for text, whose in sorted(names.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        more = f" and {len(whose) - NAMED} more" if len(whose) > NAMED else ""
        lines.append(f"{', '.join(sorted(whose)[:NAMED])}{more}: {text}.")
    return lines
