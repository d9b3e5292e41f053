"""What is counted of attempts that ended and of machines that turned, for monitoring systems."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.states import Health, Power
from penstock.model.units import MS_PER_S
from penstock.policy.capacity import preset_numbers as presets
from penstock.policy.capacity import reasons

BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Upper ends of the buckets of waits and runs; one more holds what is longer."""
LONGER = "+Inf"
Key = tuple[str, str, str, str]
"""What, pool, by, of: the key of a Counted."""
DIRECTIONS = {
    Power.REQUESTED: "boot",
    Power.RESUMING: "resume",
    Power.SUSPENDING: "suspend",
    Power.DELETING: "delete",
}
"""What was decided of a machine whose power is this from now on."""
KINDS: Mapping[str, str] = {
    reasons.ACTS[reasons.NOTHING_ELSE_IN_TIME]: "jobs",
    reasons.ACTS[reasons.IDLE_LONG_ENOUGH]: "idle",
    reasons.ACTS[reasons.SUSPENDED_LONG_ENOUGH]: "suspended",
    reasons.ACTS[reasons.USED_UP]: "used-up",
    reasons.ACTS[reasons.RESERVE]: "reserve",
    reasons.ACTS[reasons.LEAST]: "least",
    presets.WHYS[presets.WHY_WAITING]: "jobs",
    presets.WHYS[presets.WHY_SPARE]: "reserve",
    presets.WHYS[presets.WHY_IDLE]: "idle",
    presets.WHYS[presets.WHY_USED_UP]: "used-up",
    presets.WHYS[presets.WHY_HELD]: "suspended",
    presets.WHYS[presets.WHY_PERIOD]: "idle",
    presets.WHYS[presets.WHY_CANCELLED]: "jobs-gone",
}
"""The policy's reasons in a word each: a monitoring system must not be given sentences."""
RETIRED, TROUBLE = "retired", "trouble"
"""A person's reason; and all that is nobody's decision, such as a machine that did not come up."""
_COMING = (Power.REQUESTED, Power.BOOTING, Power.REGISTERING, Power.RESUMING)


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
    return found + _phases(attempt)


def _phases(attempt: Attempt) -> Counter[Key]:
    """What its agent says that each part took: all that was before the commands, these, and what came after them."""
    used, found = attempt.usage, Counter[Key]()
    if used.fetch_ms is not None:
        rest_ms = max(0, used.held_ms - used.fetch_ms - used.wall_ms)
        for phase, took_ms in (("fetch", used.fetch_ms), ("run", used.wall_ms), ("upload", rest_ms)):
            found += spread("phase", attempt.pool, phase, took_ms)
    return found


def of_unstarted(job: Job) -> Counter[Key]:
    """A job that has ended: whether it was ready and no attempt at it was ever made."""
    if job.attempts or not job.ready_ms:
        return Counter()
    return Counter({("unstarted", "", job.spec.platform, str(job.state)): 1})


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


def of_turn(machine: Machine, was: Power, power: Power, why: str) -> Counter[Key]:
    """One machine whose power is another from now on, because of `why`: what was decided, or how long it took to come."""
    found: Counter[Key] = Counter()
    if power in DIRECTIONS:
        kind = RETIRED if machine.health == Health.RETIRED else kind_of(why)
        found["decision", machine.pool, DIRECTIONS[power], kind] += 1
    took_ms = machine.since_ms - machine.ordered_ms
    if (
        (power, machine.power) == (Power.UP, Power.UP)
        and was in _COMING
        and machine.ordered_ms
        and took_ms >= 0
    ):
        found += spread("phase", machine.pool, "resume" if was == Power.RESUMING else "boot", took_ms)
    return found


def kind_of(why: str) -> str:
    """The word for a reason as it is stored: the policy's sentence, perhaps with more behind it."""
    return next((kind for text, kind in KINDS.items() if why.startswith(text)), TROUBLE)


def risen(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts by bucket as Prometheus wants them: each with all below it."""
    found, so_far = [], 0
    for end in (*map(str, BUCKETS_S), LONGER):
        so_far += counts.get(end, 0)
        found.append((end, so_far))
    return found
