"""What no schedule can undercut on a farm: its pools and a history in the words of reports/limits."""

from typing import Any

from penstock.model.rules import Pool, Quantiles, Rules
from penstock.model.units import MICROS_PER_UNIT, MS_PER_HOUR
from penstock.model.workload import Workload
from penstock.policy.capacity.setting import Ask, can_suspend, is_owned, machines_of, suited
from penstock.reports.compare import Limit

QUICK_JOBS_MOST = 20_000
"""Up to so many jobs the limits at the promise are computed unasked: seconds; above, --limits full asks for them."""


def limit_of(workload: Workload, rules: Rules, limits: str) -> Limit:
    """The limits of one farm. `limits`: "quick" or "full".

    Where jobs need others, when a job is ready depends on the schedule; then only nobody-waits has a limit.
    """
    from penstock.reports.limits import Aim, Jobs
    from penstock.reports.limits import limits as limits_of

    asks, kinds = _kinds(workload)
    jobs = Jobs(_array(_ready_ms(workload, rules)), _array(workload.duration_ms), _array(kinds))
    pools = [_pool(pool, asks) for pool in rules.pools]
    waiting = rules.waiting
    aim = Aim(waiting.target_ms, waiting.target_percentile / 100, waiting.price_per_hour_micros)
    searched = not workload.needs and (limits == "full" or workload.jobs <= QUICK_JOBS_MOST)
    found = limits_of(jobs, pools, aim, searched)
    kind = found.kind if all(map(_steady, rules.pools)) else "bound"
    return Limit(found.work, found.zero_wait, kind, found.at_target, found.at_target_share)


def _array(column: Any) -> Any:
    import numpy as np

    return np.asarray(column, np.int64)


def _kinds(workload: Workload) -> tuple[list[Ask], Any]:
    """What jobs ask for, each once, and the number of it for every job."""
    from penstock.sim.laying import asks_of

    return asks_of(workload)


def _ready_ms(workload: Workload, rules: Rules) -> Any:
    """When each job is ready if nobody ever waits: needs end as soon as the fastest pool lets them. O(jobs + needs)."""
    if not len(workload.needs):
        return workload.submitted_ms
    import numpy as np

    from penstock.sim.laying import runs_of, waiting_of

    speed = max((pool.speed for pool in rules.pools), default=1.0)
    lasts_ms = (_array(workload.duration_ms) / speed).astype(np.int64)
    ready_ms = np.maximum(_array(workload.submitted_ms), 0)
    unmet, first, children = waiting_of(workload)
    ended = np.flatnonzero(unmet == 1)  # its submission alone
    while len(ended):
        count = first[ended + 1] - first[ended]
        freed = children[runs_of(first[ended], count)]
        np.maximum.at(ready_ms, freed, np.repeat(ready_ms[ended] + lasts_ms[ended], count))
        np.subtract.at(unmet, freed, 1)
        ended = np.unique(freed[unmet[freed] == 1])
    return ready_ms


def _pool(pool: Pool, asks: list[Ask]) -> Any:
    """A pool, its money in units of the currency a millisecond, its times the shortest that can be."""
    from penstock.reports.limits import LimitPool

    takes = frozenset(kind for kind, ask in enumerate(asks) if suited(pool, ask))
    slot_ms = MICROS_PER_UNIT * MS_PER_HOUR * pool.slots
    if is_owned(pool):
        return LimitPool(takes, owned=True, slots=machines_of(pool) * pool.slots, speed=pool.speed)
    return LimitPool(
        takes,
        price_per_slot_ms=pool.price_per_hour_micros / slot_ms,
        stopped_per_slot_ms=(pool.stopped_price_per_hour_micros or 0) / slot_ms,
        boot_ms=_shortest_ms(pool.boot),
        resume_ms=_shortest_ms(pool.resume) if can_suspend(pool) and pool.resume else None,
        cold_ms=pool.cold_cache_ms if pool.slots == 1 else 0,
        speed=pool.speed,
    )


def _shortest_ms(time: Quantiles) -> int:
    """The shortest that a simulated wake can be."""
    if time.p50_ms == time.p95_ms:
        return time.p50_ms
    from penstock.sim.quantiles import lognormal_ms

    return min(lognormal_ms(time))


def _steady(pool: Pool) -> bool:
    """Whether the limit reckons with just what the pool does: no spread of times, none to stop, no fresh machines."""
    times = [pool.boot, *([pool.resume] if pool.resume else [])]
    return is_owned(pool) or (
        all(time.p50_ms == time.p95_ms for time in times)
        and not (pool.suspend_ms or pool.delete_ms or pool.uses)
    )
