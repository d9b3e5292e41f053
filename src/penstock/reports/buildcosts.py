"""What builds cost that passed, their failures and retries included; and what was spent on what came to nothing.

A build's cost is that of all its attempts (direct). `spent` is that of all builds of a project, whatever became of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from penstock.model.ledger import Account, BuildCost, Tally
from penstock.model.states import BuildState
from penstock.reports.waits import quantile


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What builds of one project cost, in micro-units; None where none passed.

    `mean`, `p50`, `p90` are of builds that passed, each with its own failed and retried attempts. `each_micros`: all
    that was spent on builds, divided by those that passed. `loaded_micros`: the same of all that was spent on the project.
    """

    project: str
    builds: int
    passed: int
    spent_micros: int
    mean_micros: int | None = None
    p50_micros: int | None = None
    p90_micros: int | None = None
    each_micros: int | None = None
    loaded_micros: int | None = None


class Waste(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on what came to nothing: micro-units by what it was.

    `idle`, `lifecycle`: of machines. Of attempts: `lost` by the farm's failures, their retries are not in it; `dropped`:
    of jobs that were superseded or cancelled; `flaky`: of attempts that failed in builds of a commit that passed
    in another build, unchanged. `spent`: everything, waste or not.
    """

    idle: int
    lifecycle: int
    lost: int
    dropped: int
    flaky: int
    spent: int


def per_project(
    found: Iterable[BuildCost], states: Mapping[str, BuildState], loaded: Mapping[str, int]
) -> list[Unit]:
    """One of each project, by name. `states`: of builds by id; `loaded`: what was spent on projects, all included."""
    by_project: dict[str, list[BuildCost]] = defaultdict(list)
    for cost in found:
        by_project[cost.project].append(cost)
    return [_unit(project, by_project[project], states, loaded) for project in sorted(by_project)]


def waste(tallies: Iterable[Tally], found: Sequence[BuildCost], states: Mapping[str, BuildState]) -> Waste:
    """Of some days: machines by what was entered on them, attempts by builds that were created on them."""
    spent = 0
    by_account: dict[Account, int] = defaultdict(int)
    for tally in tallies:
        spent += tally.amount_micros
        by_account[tally.account] += tally.amount_micros
    return Waste(
        idle=by_account[Account.IDLE],
        lifecycle=by_account[Account.LIFECYCLE],
        lost=sum(cost.lost_micros for cost in found),
        dropped=sum(cost.dropped_micros for cost in found),
        flaky=_flaky(found, states),
        spent=spent,
    )


def failed_micros(cost: BuildCost) -> int:
    """What the attempts of a build cost that ended by their own doing, and not well."""
    return cost.amount_micros - cost.passed_micros - cost.lost_micros - cost.dropped_micros


def ratio(amount_micros: int, count: int) -> int:
    """An amount divided by a positive number, rounded half up."""
    return (2 * amount_micros + count) // (2 * count)


def _unit(
    project: str, found: Sequence[BuildCost], states: Mapping[str, BuildState], loaded: Mapping[str, int]
) -> Unit:
    passed = sorted(cost.amount_micros for cost in found if states.get(cost.build) == BuildState.PASSED)
    spent = sum(cost.amount_micros for cost in found)
    unit = Unit(project=project, builds=len(found), passed=len(passed), spent_micros=spent)
    if not passed:
        return unit
    return msgspec.structs.replace(
        unit,
        mean_micros=ratio(sum(passed), len(passed)),
        p50_micros=quantile(passed, 50),
        p90_micros=quantile(passed, 90),
        each_micros=ratio(spent, len(passed)),
        loaded_micros=ratio(loaded.get(project, 0), len(passed)),
    )


def _flaky(found: Sequence[BuildCost], states: Mapping[str, BuildState]) -> int:
    """The same commit failed and passed: nothing of the code was the cause. Builds of no commit are of a working tree."""
    passed = {(cost.project, cost.commit) for cost in found if states.get(cost.build) == BuildState.PASSED}
    return sum(
        failed_micros(cost)
        for cost in found
        if cost.commit
        and states.get(cost.build) == BuildState.FAILED
        and (cost.project, cost.commit) in passed
    )
