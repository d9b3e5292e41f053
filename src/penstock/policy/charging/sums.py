"""What reports read instead of a million entries: sums by day, by build, and of what jobs used."""

from bisect import bisect_right

import msgspec

from penstock.model.job import Attempt, Job
from penstock.model.ledger import BuildCost, Entry, Footprint, Tally
from penstock.model.states import AttemptState

LOST = (AttemptState.LOST, AttemptState.LAPSED, AttemptState.REFUSED, AttemptState.PREEMPTED)
"""Ends that are the farm's fault."""
VERDICTS = (AttemptState.PASSED, AttemptState.FAILED, AttemptState.TIMED_OUT)
STEPS = tuple(-(-(21**step) // 20**step) for step in range(400))
"""The least whole number in each step: step s begins at 1.05^s."""

TallyKey = tuple[int, str, str, str, str, str, str]


def key_of(entry: Entry) -> TallyKey:
    """Which tally an entry belongs to."""
    return (
        entry.day,
        entry.project,
        entry.platform,
        entry.pool,
        entry.klass,
        entry.account,
        entry.outcome,
    )


def tallied(before: Tally | None, entry: Entry) -> Tally:
    """The tally with one entry more."""
    if before is None:
        before = Tally(
            day=entry.day,
            project=entry.project,
            platform=entry.platform,
            pool=entry.pool,
            klass=entry.klass,
            account=entry.account,
            outcome=entry.outcome,
        )
    return msgspec.structs.replace(
        before,
        amount_micros=before.amount_micros + entry.amount_micros,
        quantity=before.quantity + entry.quantity,
        count=before.count + 1,
    )


def spent(before: BuildCost, attempt: Attempt) -> BuildCost:
    """The cost of a build with one attempt more, which is settled."""
    cost, state = attempt.cost_micros, attempt.state
    return msgspec.structs.replace(
        before,
        amount_micros=before.amount_micros + cost,
        passed_micros=before.passed_micros + cost * (state == AttemptState.PASSED),
        lost_micros=before.lost_micros + cost * (state in LOST),
        dropped_micros=before.dropped_micros + cost * (state == AttemptState.CANCELLED),
        attempts=before.attempts + 1,
    )


def step_of(amount: int) -> int:
    """In which step of 5 % an amount lies; less than one counts as one."""
    return bisect_right(STEPS, max(1, amount)) - 1


def trodden(before: Footprint, job: Job, attempt: Attempt, held_ms: int) -> Footprint:
    """What attempts of a job used, with one more that had its slot for `held_ms`. What was not measured is not counted."""
    usage = attempt.usage
    memory, cores = dict(before.memory), dict(before.cores)
    if usage.memory_peak_mb is not None:
        _add(memory, step_of(usage.memory_peak_mb))
    if usage.cpu_ms is not None and usage.wall_ms > 0:
        _add(cores, step_of(1000 * usage.cpu_ms // usage.wall_ms))
    return msgspec.structs.replace(
        before,
        asked_cores=job.spec.size.cores,
        asked_memory_mb=job.spec.size.memory_mb,
        attempts=before.attempts + 1,
        held_ms=before.held_ms + held_ms,
        amount_micros=before.amount_micros + attempt.cost_micros,
        memory=memory,
        cores=cores,
    )


def _add(counts: dict[str, int], step: int) -> None:
    counts[str(step)] = counts.get(str(step), 0) + 1
