"""What must be so when a day is over: nothing is left of it that somebody would have to look after."""

from collections.abc import Iterator, Mapping, Sequence

from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.rules import Rules
from penstock.model.states import JobState, Power
from penstock.policy.capacity.setting import is_owned
from penstock.ports import Tx
from penstock.sim.storm.provider import Stormy
from penstock.sim.storm.witness import Watched

Found = Iterator[tuple[str, str, str]]
"""(invariant, subject, what is wrong)."""
DEAR = 100_000_000
"""From this price of an hour's waiting on, in micro-units, whole pools may stand by."""
ASLEEP = (Power.SUSPENDED, Power.GONE)
_GONE = ("going", "gone")


def left_over(rules: Rules, store: Watched, providers: Mapping[str, Stormy]) -> Found:
    """Jobs without an end or a reason, leases, machines that cost money for nothing, and what the books do not know.

    Where waiting is dear, machines may stand by for what comes next."""
    yield from store.read(_jobs)
    machines = store.read(lambda tx: tx.find(Machine, "key"))
    for pool in rules.pools:
        if is_owned(pool):
            continue
        mine = [one for one in machines if one.pool == pool.name and one.power != Power.GONE]
        awake = [one for one in mine if one.power not in ASLEEP]
        if len(awake) > pool.min + _standing_by(rules, awake):
            told = [f"{one.name} is {one.power}" for one in awake]
            yield "7.2", pool.name, f"{len(awake)} machines are rented for nothing: {told}"
        yield from _known({one.provider_id for one in mine}, pool.name, providers[pool.name])


def _standing_by(rules: Rules, awake: Sequence[Machine]) -> int:
    """As many as a policy that is told so may keep: none where nobody minds waiting, one where it costs something."""
    price = rules.waiting.price_per_hour_micros
    return len(awake) if price >= DEAR else min(price, 1)


def _jobs(tx: Tx) -> list[tuple[str, str, str]]:
    found = [
        ("I3", job.id, f"is {job.state} at the end of the day: {job.reason}")
        for job in tx.find(Job, "open", True)
        if job.state != JobState.HELD or not job.reason
    ]
    return [
        *found,
        *(("I3", one.id, "is live at the end of the day") for one in tx.find(Attempt, "live", True)),
    ]


def _known(books: set[str], pool: str, provider: Stormy) -> Found:
    """I6: the books are what the provider has, and nobody else's machine was touched."""
    there = {name for name, state in provider.states().items() if state not in _GONE}
    theirs = provider.theirs()
    for name in sorted(there - theirs - books):
        yield "I6", name, f"is there in {pool} and in no book"
    for name in sorted(books - there):
        yield "I6", name or "a machine", f"is in the books of {pool} and not there"
    for name in sorted(theirs - there):
        yield "I6", name, f"of another farm is gone from {pool}"
