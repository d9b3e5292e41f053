"""The rank of a job: its level (class, then priority), and within that its turn; lower goes first.

A level is what strictly goes before another. A turn is a moment of farm time: that of the submission of the build,
later by a part of the time that the job may wait (who may wait less goes first), earlier by what waits for it. So a
rank is fixed when the job is planned, and of one level only so many jobs can ever go before a given one: those whose
build came within that part of a day. Everything is explained in docs/explanation/fairness.md.
"""

from collections.abc import Iterable, Mapping, Sequence

from penstock.model.job import Job
from penstock.model.snapshot import TURN_BITS
from penstock.model.units import DAY_MS, MS_PER_S
from penstock.policy.planning import CLASSES

PRIORITIES = 2047
"""Priorities beyond this, up or down, count as this."""
PATIENCE = 4
"""A turn comes when a job has waited for one part in so many of the time that it may wait."""
LONGEST_S = 59
"""A path of more jobs, and more jobs that wait, count as so many."""
CREDIT_S = 60 * LONGEST_S + LONGEST_S
"""By how much the turn of a job can come earlier for what waits for it."""


def level_of(klass: str, priority: int) -> int:
    """The level of a class and a priority, lower first; 0 for class change and priority 0."""
    place = CLASSES.index(klass) if klass in CLASSES else CLASSES.index("change")
    bounded = max(-PRIORITIES, min(PRIORITIES, priority))
    return -((place - CLASSES.index("change")) * 2 * (PRIORITIES + 1) + bounded)


def class_at(level: int) -> str:
    """The class whose jobs, of whatever priority, have this level."""
    place = CLASSES.index("change") + (PRIORITIES + 1 - level) // (2 * (PRIORITIES + 1))
    return CLASSES[max(0, min(len(CLASSES) - 1, place))]


def turn_s(submitted_ms: int, may_wait_ms: int, credit_s: int) -> int:
    """The turn of a job, in seconds of farm time: a quarter of what it may wait, at most of a day, after it was
    submitted. Without any credit it is later by `CREDIT_S`, so that no turn is negative."""
    patience_ms = min(may_wait_ms, DAY_MS) // PATIENCE
    return (submitted_ms + patience_ms) // MS_PER_S + CREDIT_S - credit_s


def rank_of(level: int, turn: int) -> int:
    """Level and turn in one number: the level above, `TURN_BITS` of the turn below."""
    return (level << TURN_BITS) + turn


def turn_of(rank: int) -> int:
    """The turn in a rank, in seconds of farm time."""
    return rank & ((1 << TURN_BITS) - 1)


def credits_s(parents: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each job of a plan how much earlier its turn comes: a minute for each job of the longest path that waits
    for it, a second for each that waits for it directly, both up to `LONGEST_S`.

    `parents`: for each job those that it needs, parents before children. O(jobs + needs).
    """
    length = dict.fromkeys(parents, 0)
    waiting = dict.fromkeys(parents, 0)
    for job in reversed(list(parents)):
        for parent in parents[job]:
            length[parent] = max(length[parent], length[job] + 1)
            waiting[parent] += 1
    return {job: 60 * min(length[job], LONGEST_S) + min(waiting[job], LONGEST_S) for job in parents}


def order_key(job: Job) -> tuple[int, int, str]:
    """What jobs are sorted by; no two jobs have the same."""
    return job.rank, job.ready_ms, job.id


def shared_rank(producer: Job, waiters: Iterable[Job]) -> int:
    """The rank of a job that others wait for: the best among its own and theirs."""
    return min([producer.own_rank, *(waiter.rank for waiter in waiters)])


def successor(waiters: Iterable[Job]) -> Job | None:
    """Which of those that waited for a producer takes over from it; None when nobody waits."""
    return min(waiters, key=order_key, default=None)
