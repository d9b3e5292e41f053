"""What must be true of the ledger (I9): nothing that was used is lost between meters, entries and sums, nor counted twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

import msgspec

from penstock.model.job import Attempt
from penstock.model.ledger import Account, BuildCost, Entry, Ledger, Meter, Span, Tally
from penstock.model.machine import Machine
from penstock.model.states import Power
from penstock.model.units import charge_micros

KINDS: tuple[type[msgspec.Struct], ...] = (Ledger, Meter, Span, Tally, BuildCost)
"""Which records these books are made of, the entries apart."""
_TALLY = attrgetter("day", "project", "platform", "pool", "klass", "account", "outcome")
Found = Iterator[tuple[str, str]]


class Sums:
    """What entries sum up to, taken one by one: there may be millions. Memory: some 200 bytes for each attempt."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.spans: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.attempts: defaultdict[str, int] = defaultdict(int)
        self.ended: set[str] = set()
        self.twice: list[str] = []
        self.tallies: dict[tuple[object, ...], tuple[int, int, int]] = {}
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        if entry.machine and entry.span_ms:
            self.spans[entry.machine, entry.span_ms] += entry.amount_micros
        if entry.account == Account.DIRECT:
            self.attempts[entry.attempt] += entry.amount_micros
        if entry.final:
            if entry.attempt in self.ended:
                self.twice.append(entry.attempt)
            self.ended.add(entry.attempt)
        key = _TALLY(entry)
        amount, quantity, count = self.tallies.get(key, (0, 0, 0))
        self.tallies[key] = (amount + entry.amount_micros, quantity + entry.quantity, count + 1)


class Accounts:
    """The records of KINDS, in any order, and what the entries sum up to."""

    def __init__(self, records: Sequence[msgspec.Struct], entries: Iterable[Entry] = ()) -> None:
        self.sums = Sums(entries)
        ledgers = [one for one in records if isinstance(one, Ledger)]
        self.from_ms = max((one.from_ms for one in ledgers), default=0)
        self.position = max((one.position for one in ledgers), default=-1)
        self.meters = [one for one in records if isinstance(one, Meter)]
        self.spans = [one for one in records if isinstance(one, Span)]
        self.tallies = [one for one in records if isinstance(one, Tally)]
        self.builds = [one for one in records if isinstance(one, BuildCost)]


def unbalanced(accounts: Accounts, attempts: dict[str, Attempt]) -> Found:
    """Everything that does not add up."""
    yield from _spans(accounts)
    yield from _runs(accounts)
    yield from _attempts(accounts, attempts)
    yield from _tallies(accounts)
    yield from _builds(accounts, attempts)


def unfollowed(accounts: Accounts, machines: dict[str, Machine]) -> Found:
    """Of books that are kept up to now: each machine that is not gone has its meter, which knows its power. One that
    nobody speaks for may have been replaced by another of its name."""
    powers = {one.machine: one.power for one in accounts.meters}
    there = {(machines[name].pool, machines[name].name) for name in powers.keys() & machines.keys()}
    for machine in machines.values():
        known = powers.get(machine.id, Power.GONE)
        replaced = not machine.session and (machine.pool, machine.name) in there
        if known != machine.power and not (known == Power.GONE and replaced):
            yield machine.id, f"is {machine.power}, its meter says {known}"


def _spans(accounts: Accounts) -> Found:
    """Entries of a closed span sum up to it, those of an open one to what its meter says."""
    due = {(one.machine, one.from_ms): one.amount_micros for one in accounts.spans}
    due |= {(one.machine, one.since_ms): one.direct_micros for one in accounts.meters}
    for name in due.keys() | accounts.sums.spans.keys():
        amount, entered = due.get(name, 0), accounts.sums.spans.get(name, 0)
        if amount != entered:
            yield name[0], f"cost {amount} in the span that began at {name[1]}, {entered} is entered"


def _runs(accounts: Accounts) -> Found:
    """Spans of what is billed as one start sum up to price x time, rounded once; what a provider adds comes on top."""
    exact: defaultdict[tuple[str, int], int] = defaultdict(int)
    paid, added = exact.copy(), exact.copy()
    for span in accounts.spans:
        run = span.machine, span.run_ms
        exact[run] += span.price_micros * span.count * span.counted_ms
        paid[run] += span.amount_micros
        added[run] += span.extra_micros
    for run, product in exact.items():
        amount = charge_micros(product, 1)
        if paid[run] - added[run] != amount:
            yield run[0], f"cost {amount} in the run since {run[1]}, its spans say {paid[run] - added[run]}"
    for meter in accounts.meters:
        before = paid.get((meter.machine, meter.run_ms), 0)
        if meter.run_paid_micros != before:
            yield meter.machine, f"{meter.run_paid_micros} of its run is paid, its spans say {before}"


def _attempts(accounts: Accounts, attempts: dict[str, Attempt]) -> Found:
    """Entries of an attempt that is settled sum up to its cost; but for those that ran before the books began."""
    for name in accounts.sums.twice:
        yield name, "was entered to its end twice"
    for name in accounts.sums.ended:
        attempt, entered = attempts.get(name), accounts.sums.attempts[name]
        if attempt is None:
            yield name, f"has entries of {entered}, and is no attempt"
        elif attempt.offered_ms >= accounts.from_ms and entered != attempt.cost_micros:
            yield name, f"cost {attempt.cost_micros}, {entered} is entered"


def _tallies(accounts: Accounts) -> Found:
    """What is added up by day is what was entered."""
    told = {_TALLY(one): (one.amount_micros, one.quantity, one.count) for one in accounts.tallies}
    for key in told.keys() | accounts.sums.tallies.keys():
        said, entered = told.get(key, (0, 0, 0)), accounts.sums.tallies.get(key, (0, 0, 0))
        if said != entered:
            yield f"tally {key}", f"(amount, quantity, entries) is {said}, entered is {entered}"


def _builds(accounts: Accounts, attempts: dict[str, Attempt]) -> Found:
    """The cost of a build is that of its attempts that are entered to their end."""
    costs: defaultdict[str, int] = defaultdict(int)
    for name in accounts.sums.ended & attempts.keys():
        costs[attempts[name].build] += attempts[name].cost_micros
    for one in accounts.builds:
        if one.amount_micros != costs[one.build]:
            yield one.build, f"cost {costs[one.build]}, its record says {one.amount_micros}"
