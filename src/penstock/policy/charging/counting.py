"""What is counted of attempts that ended and of machines that turned, for monitoring systems."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from penstock.model.job import Attempt, Job
from penstock.model.units import MS_PER_S

BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Upper ends of the buckets of waits and runs; one more holds what is longer."""
LONGER = "+Inf"
Key = tuple[str, str, str, str]
"""What, pool, by, of: the key of a Counted."""


def of_attempt(job: Job, attempt: Attempt) -> Counter[Key]:
    """One attempt that is settled; its wait where it was the first, and began after its job became ready."""
    pool, klass = attempt.pool, job.spec.klass
    found: Counter[Key] = Counter()
    found["attempt", pool, job.project, str(attempt.state)] += 1
    if attempt.started_ms:
        if attempt.n == 1 and job.ready_ms <= attempt.started_ms:
            found += spread("wait", pool, klass, attempt.started_ms - job.ready_ms)
        if attempt.ended_ms >= attempt.started_ms:
            found += spread("run", pool, klass, attempt.ended_ms - attempt.started_ms)
    return found


def spread(what: str, pool: str, klass: str, took_ms: int) -> Counter[Key]:
    """One duration: its bucket, and what it adds to the sum of all."""
    return Counter({(what, pool, klass, bucket(took_ms)): 1, (f"{what}_ms", pool, klass, ""): took_ms})


def bucket(took_ms: int) -> str:
    """The upper end, in seconds, of the bucket that holds a duration, its end included."""
    at = bisect_left(BUCKETS_S, took_ms / MS_PER_S)
    return str(BUCKETS_S[at]) if at < len(BUCKETS_S) else LONGER


def of_power(pool: str, power: str) -> Counter[Key]:
    """One machine whose power is this from now on."""
    return Counter({("power", pool, power, ""): 1})


def risen(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts by bucket as Prometheus wants them: each with all below it."""
    found, so_far = [], 0
    for end in (*map(str, BUCKETS_S), LONGER):
        so_far += counts.get(end, 0)
        found.append((end, so_far))
    return found
