"""All records of a farm at one instant, indexed for those who check them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from penstock.model import balance
from penstock.model.artifact import Blob, Module
from penstock.model.change import Build
from penstock.model.farm import Event, Farm
from penstock.model.job import Attempt, Edge, Job
from penstock.model.ledger import Entry
from penstock.model.machine import Machine, Session

KINDS: tuple[type[msgspec.Struct], ...] = (
    Build,
    Job,
    Attempt,
    Edge,
    Machine,
    Session,
    Module,
    Blob,
    Event,
    *balance.KINDS,
)
"""Which records the books are made of, the farm's own row apart, and the entries of the ledger, which are too many."""


class Books:
    """The farm's row, and the records of KINDS in any order. Of the entries only what they sum up to is kept."""

    def __init__(self, farm: Farm, records: Sequence[msgspec.Struct], entries: Iterable[Entry] = ()) -> None:
        self.farm = farm
        self.accounts = balance.Accounts(records, entries)
        self.builds = {one.id: one for one in records if isinstance(one, Build)}
        self.jobs = {one.id: one for one in records if isinstance(one, Job)}
        self.attempts = {one.id: one for one in records if isinstance(one, Attempt)}
        self.edges = [one for one in records if isinstance(one, Edge)]
        self.machines = {one.id: one for one in records if isinstance(one, Machine)}
        self.sessions = {one.id: one for one in records if isinstance(one, Session)}
        self.modules = {(one.trust, one.key): one for one in records if isinstance(one, Module)}
        self.blobs = {one.digest: one for one in records if isinstance(one, Blob)}
        self.events = [one for one in records if isinstance(one, Event)]
        self.tries: defaultdict[str, list[Attempt]] = defaultdict(list)
        self.held: defaultdict[str, list[Attempt]] = defaultdict(list)
        self.parents: defaultdict[str, list[Edge]] = defaultdict(list)
        for attempt in sorted(self.attempts.values(), key=lambda one: (one.job, one.n)):
            self.tries[attempt.job].append(attempt)
            if attempt.live:
                self.held[attempt.machine].append(attempt)
        for edge in self.edges:
            self.parents[edge.child].append(edge)
