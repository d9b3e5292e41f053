"""What is tried for advice: numbers of machines, fixed timeouts, other promises; chosen on one half, judged on the other."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from penstock.cli.simulation.policies import standard
from penstock.cli.simulation.runs import Case
from penstock.cli.simulation.several import answers
from penstock.cli.simulation.showing import Steps
from penstock.model.rules import Pool, Rules
from penstock.model.trial import Policy
from penstock.model.units import MS_PER_S
from penstock.model.workload import Workload
from penstock.reports.compare import Document, span_ms

LOADS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Numbers of machines that are tried, in parts of the mean load; also none, as many as now, half as many more, and twice as many."""
TIMEOUTS_S = (0, 60, 300, 900, 1800, 3600)
PROMISES_S = (60, 300, 900, 1800, 3600)
WIDER_MOST = 4
"""How many times more machines are tried while the most that were tried did best."""
FIXED = "burst-at-once"
"""The preset whose timeout is varied: it starts a machine for every job that has none."""


class Trial(NamedTuple):
    """One thing to try. `value`: machines, seconds, or the name of a policy. `now`: it is what the farm has."""

    value: int | str
    now: bool
    case: Case


Wider = Callable[[Sequence[Trial]], list[Trial]]
"""What to try beyond what was tried."""


class Judged(NamedTuple):
    """A trial and what came of it on the half that was learnt from (None where nothing is chosen) and on the rest."""

    trial: Trial
    chosen: bool
    trained: Document | None
    reported: Document


class Halves(NamedTuple):
    """The half that is learnt from, and the one that is reported on."""

    train: Workload
    rest: Workload


def judged(
    halves: Halves, trials: Sequence[Trial], steps: Steps, about: str, wider: Wider | None = None
) -> list[Judged]:
    """Try all on the first half, choose, try all on the second. While the last one is chosen, `wider` gives more to try."""
    tried = list(trials)
    trained = documents(halves.train, tried, steps, f"{about}, first half")
    for _ in range(WIDER_MOST if wider else 0):
        if wider is None or chosen([trial.case for trial in tried], trained) < len(tried) - 1:
            break
        more = wider(tried)
        trained += documents(halves.train, more, steps, f"{about}, first half")
        tried += more
    best = chosen([trial.case for trial in tried], trained)
    reported = documents(halves.rest, tried, steps, f"{about}, second half")
    return [
        Judged(trial, number == best, trained[number], reported[number]) for number, trial in enumerate(tried)
    ]


def documents(workload: Workload, trials: Sequence[Trial], steps: Steps, about: str) -> list[Document]:
    """The figures of every trial on one part of the history."""
    found: dict[int, Document] = {}
    steps.begin(f"{about}: {len(trials)} runs")
    for number, document in answers(workload, [trial.case for trial in trials]):
        found[number] = document
        steps.begin(f"{about}: {len(found)} of {len(trials)} runs")
    return [found[number] for number in range(len(trials))]


def chosen(cases: Sequence[Case], found: Sequence[Document]) -> int:
    """The lowest score among those that keep the promise; where none does, the one that comes nearest to it."""
    from penstock.cli.simulation.sentences import best_of

    best = best_of(found, cases[0].rules.waiting)
    if best is not None:
        return best
    return max(range(len(found)), key=lambda n: (found[n]["within_target"] or 0, -found[n]["score"]))


# What is tried -------------------------------------------------------------------------------------------------------


def owned_pools(rules: Rules) -> list[Pool]:
    """Pools whose number of machines can be chosen."""
    return [pool for pool in rules.pools if pool.provider == "owned"]


def machine_trials(workload: Workload, case: Case, pool: Pool) -> list[Trial]:
    """Numbers of machines for one pool, around the mean load of the jobs that it may run."""
    load = mean_load(workload, pool)
    more = (pool.machines * 3 + 1) // 2, pool.machines * 2
    counts = sorted({0, pool.machines, *more, *(round(part * load) for part in LOADS)})
    return [_machines(case, pool, count) for count in counts]


def more_machines(case: Case, pool: Pool) -> Wider:
    """Half as many more than the most that were tried, and twice as many."""

    def wider(trials: Sequence[Trial]) -> list[Trial]:
        most = max(1, int(trials[-1].value))
        return [_machines(case, pool, count) for count in ((most * 3 + 1) // 2, most * 2 + 1)]

    return wider


def _machines(case: Case, pool: Pool, count: int) -> Trial:
    return Trial(count, count == pool.machines, case._replace(rules=with_pool(case.rules, pool, count)))


def mean_load(workload: Workload, pool: Pool) -> float:
    """How many machines of a pool would be busy on average with all the jobs of its platforms."""
    fits = [platform in pool.platforms for platform in workload.platforms]
    work = sum(
        [ms for ms, platform in zip(workload.duration_ms, workload.platform, strict=True) if fits[platform]]
    )
    return work / max(1, span_ms(workload)) / (pool.slots * pool.speed)


def with_pool(rules: Rules, changed: Pool, machines: int) -> Rules:
    """The farm with another number of machines in one pool."""
    pools = tuple(
        msgspec.structs.replace(pool, machines=machines) if pool.name == changed.name else pool
        for pool in rules.pools
    )
    return msgspec.structs.replace(rules, pools=pools)


def timeout_trials(case: Case) -> list[Trial]:
    """The policy, which learns its timeouts, beside fixed ones."""
    numbers = standard(FIXED)
    fixed = [
        Policy(name=f"{FIXED} {seconds} s", preset=FIXED, numbers=numbers | {"idle_s": seconds * MS_PER_S})
        for seconds in TIMEOUTS_S
    ]
    return [
        Trial(case.policy.name, True, case),
        *(
            Trial(seconds, False, case._replace(policy=policy))
            for seconds, policy in zip(TIMEOUTS_S, fixed, strict=True)
        ),
    ]


def promise_trials(case: Case) -> list[Trial]:
    """Other promises, the same share of jobs."""
    now_s = case.rules.waiting.target_ms // MS_PER_S
    found = []
    for seconds in sorted({now_s, *PROMISES_S}):
        waiting = msgspec.structs.replace(case.rules.waiting, target_ms=seconds * MS_PER_S)
        rules = msgspec.structs.replace(case.rules, waiting=waiting)
        found.append(Trial(seconds, seconds == now_s, case._replace(rules=rules)))
    return found


# What it comes to ----------------------------------------------------------------------------------------------------


def chosen_of(trials: Sequence[Judged]) -> Judged:
    """The one that was chosen."""
    return next(one for one in trials if one.chosen)


def now_of(trials: Sequence[Judged]) -> Judged:
    """What the farm has."""
    return next(one for one in trials if one.trial.now)


def next_worth(trials: Sequence[Judged], hours: float, figures: Callable[[Judged], Document]) -> float | None:
    """What one machine more than chosen would save in an hour of its life, its own price apart; None without a next one."""
    at = next(n for n, one in enumerate(trials) if one.chosen)
    if at + 1 >= len(trials) or not hours:
        return None
    here, more = trials[at], trials[at + 1]
    added = int(more.trial.value) - int(here.trial.value)
    saved = _without_owned(figures(here)) - _without_owned(figures(more))
    return saved / added / hours


def _without_owned(document: Document) -> float:
    found: float = document["score"] - document["cost"]["owned"]
    return found
