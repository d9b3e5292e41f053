"""Who goes first: rank, then ready time, then id; a total order. And who makes what several builds wait for."""

from collections.abc import Iterable

from penstock.model.job import Job


def rank_of(priority: int) -> int:
    """The rank of a job of this priority: lower goes first."""
    return -priority


def order_key(job: Job) -> tuple[int, int, str]:
    """What jobs are sorted by; no two jobs have the same."""
    return job.rank, job.ready_ms, job.id


def shared_rank(producer: Job, waiters: Iterable[Job]) -> int:
    """The rank of a job that others wait for: the best among its own and theirs."""
    return min([producer.rank, *(waiter.rank for waiter in waiters)])


def successor(waiters: Iterable[Job]) -> Job | None:
    """Which of those that waited for a producer takes over from it; None when nobody waits."""
    return min(waiters, key=order_key, default=None)
