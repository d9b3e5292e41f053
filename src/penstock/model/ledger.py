"""What was used and what it cost: the meter of each machine, the spans that it closed, and the entries of the ledger.

Times here are UTC of the hubs' wall clocks, because days and bills are; money is in integer micro-units, days are counted
from 1970-01-01. Entries and spans are only ever added. docs/explanation/ledger.md says how they come about.
"""

from enum import StrEnum

import msgspec

from penstock.model.states import GuardState, Power
from penstock.model.units import DAY_MS


class Account(StrEnum):
    """What an entry is for. `direct`: an attempt held it; `idle`: paid and held by nobody, suspended included;
    `lifecycle`: on the way to being usable or gone, and what a provider's minimum adds; `overhead`: fixed charges."""

    DIRECT = "direct"
    IDLE = "idle"
    LIFECYCLE = "lifecycle"
    OVERHEAD = "overhead"
    STORAGE = "storage"
    EGRESS = "egress"


OFFER = "offer "
"""What comes before the name of an offer in an entry."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger; `seq` is given by the store. Never changed, never deleted.

    It is for `quantity` of `unit` ("ms", "byte") that ended at `at_ms`, which is on `day`, at `price_micros` an hour, or a
    GB. `machine` and `span_ms` name the span (see Span) that it is a part of; "" and 0 for what no machine was used for.
    Of an attempt: all that people ask by, and how it ended in `outcome`; `final`: its last entry, after which the entries
    of an attempt sum up to its cost. `what` names a charge; of a machine it says what was rounded, and which of its pool's
    offers it was made from, where those have prices of their own.
    """

    seq: int = 0
    day: int
    at_ms: int
    account: Account
    amount_micros: int
    quantity: int = 0
    unit: str = "ms"
    price_micros: int = 0
    pool: str = ""
    machine: str = ""
    span_ms: int = 0
    power: str = ""
    what: str = ""
    attempt: str = ""
    job: str = ""
    build: str = ""
    project: str = ""
    branch: str = ""
    name: str = ""
    platform: str = ""
    klass: str = ""
    outcome: str = ""
    final: bool = False
    version: int = 0

    @property
    def offer(self) -> str:
        """The offer that its machine was made from; "" = none that has a price of its own, or nobody noted it."""
        return "" if self.account in (Account.OVERHEAD, Account.STORAGE) else self.what.partition(OFFER)[2]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A machine in one power at one price, from `from_ms` to `until_ms`; the entries that name it sum up to
    `amount_micros` (I9). Of machines that a pool has and that never registered there is one "machine" "pool:NAME".

    `count`: of how many machines. `counted_ms`: how much of the time counts for one of them, which is less than passed
    where a machine only counts while the farm lives. `extra_micros`: what of the amount is the provider's rounding and
    minimum at the end of a run; `run_ms` says which run it is of (see Meter)."""

    machine: str
    from_ms: int
    until_ms: int
    pool: str
    power: Power
    price_micros: int
    amount_micros: int
    extra_micros: int = 0
    count: int = 1
    counted_ms: int = 0
    run_ms: int = 0
    version: int = 0


class Hold(msgspec.Struct, frozen=True):
    """An attempt that has a slot of a machine since `since_ms` (wall clock): what of its cost and time is entered."""

    since_ms: int
    entered_micros: int = 0
    entered_ms: int = 0


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """What runs up on a machine now: its open span. `direct_micros` and `direct_ms` (of the whole machine) of it are
    entered already.

    `run_ms`: when what its provider bills as one start began, 0 = nothing runs; `what` price it is billed at: "hour",
    "stopped", "" = none. Spans that were closed have `run_paid_micros` and `run_counted_ms` of it; `carry` is what
    their rounding left, in micro-units x ms an hour. `mortal`: it only counts while the farm lives; `farm_ms`: farm time
    at `since_ms`. `held`: the attempts on it, by id; each has one of `slots`. `first_ms`: when it was first metered, and
    `paid_micros`: all that its spans since then hold.
    """

    machine: str
    pool: str
    power: Power
    since_ms: int
    price_micros: int
    count: int = 1
    slots: int = 1
    what: str = "hour"
    mortal: bool = False
    farm_ms: int = 0
    direct_micros: int = 0
    direct_ms: int = 0
    run_ms: int = 0
    run_paid_micros: int = 0
    run_counted_ms: int = 0
    carry: int = 0
    held: dict[str, Hold] = {}
    first_ms: int = 0
    paid_micros: int = 0
    version: int = 0


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """How far the books are kept: one row, `id` = "ledger". Events up to `position` are entered, all meters are cut at
    the beginning of `day`, fixed charges are entered up to it, and the books begin at `from_ms`.

    `farm_ms`: farm time at `until_ms`. `farm`: whose books these are (Farm.uid), so that a copy of a farm knows."""

    id: str = "ledger"
    position: int = 0
    day: int = 0
    from_ms: int = 0
    until_ms: int = 0
    farm_ms: int = 0
    farm: str = ""
    version: int = 0


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool's machines cost from `from_ms` on: a new price is a new row, and rewrites nothing.

    `what`: "hour", "stopped", "egress" (a GB); "hour OFFER" and "stopped OFFER" for machines that were made from an offer
    of the pool that has prices of its own. `source`: where it is from ("farm.toml", "tco", "offer")."""

    pool: str
    what: str
    from_ms: int
    price_micros: int
    source: str = ""
    version: int = 0


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of a day that agree in all that reports group by, added up when they are entered."""

    day: int
    project: str
    platform: str
    pool: str
    klass: str
    account: Account
    outcome: str
    amount_micros: int = 0
    quantity: int = 0
    count: int = 0
    version: int = 0


class BuildCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts of a build cost: all of them, those that passed, those that the farm lost (`lost_micros`),
    and those of jobs that had been superseded or cancelled. `day`: of the build's creation."""

    build: str
    day: int
    project: str = ""
    branch: str = ""
    commit: str = ""
    amount_micros: int = 0
    passed_micros: int = 0
    lost_micros: int = 0
    dropped_micros: int = 0
    attempts: int = 0
    version: int = 0


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts of one job on one platform used on one day, beside what they asked for.

    `memory` and `cores` count attempts by step: step s is what lies in [1.05^s, 1.05^(s+1)) MB, or thousandths of a core."""

    day: int
    project: str
    name: str
    platform: str
    asked_cores: int = 1
    asked_memory_mb: int | None = None
    attempts: int = 0
    held_ms: int = 0
    amount_micros: int = 0
    memory: dict[str, int] = {}
    cores: dict[str, int] = {}
    version: int = 0


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider billed one account for one billing period; amounts are exact decimals as text.

    `id` names its content, see reports.bills. A later bill of the same period replaces it: it is kept, `current` is False
    then. `digest`: of the file as it came. `first` and `end`: days, the end not included; its lines may lie outside, on days
    from `days_from` to before `days_until`. It comes in parts: until `taken_ms` is set it does not count, `chain` names what
    is there so far, `lines` how many, and the amounts are those of these lines.
    """

    id: str
    provider: str
    account: str
    first: int
    end: int
    form: str
    currency: str
    billed: str
    effective: str
    rows: int
    file: str
    digest: str
    taken_ms: int
    current: bool = True
    lines: int = 0
    days_from: int = 0
    days_until: int = 0
    begun_ms: int = 0
    chain: str = ""
    version: int = 0


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a bill of one day that agree in the rest, added up: `rows` of them, the first in line `line` of the file."""

    seq: int = 0
    bill: str
    day: int
    service: str = ""
    resource: str = ""
    sku: str = ""
    region: str = ""
    category: str = "Usage"
    pool: str = ""
    billed: str = "0"
    effective: str = "0"
    listed: str = "0"
    quantity: str = "0"
    unit: str = ""
    rows: int = 1
    line: int = 0
    version: int = 0


class Guarding(msgspec.Struct, frozen=True, kw_only=True):
    """One guard of farm.toml at work: its state since `since_ms` (farm time), why, on which figures, who said so.

    `fired_ms`: since when what it does is in force, 0 = it is not. `figures`: a JSON object of what it was decided on.
    `undone`: a person took it back for this period; `period` names the grant or budget that it was crossed of, and its
    period."""

    name: str
    state: GuardState = GuardState.STANDBY
    since_ms: int = 0
    fired_ms: int = 0
    reason: str = ""
    figures: str = "{}"
    approved_by: str = ""
    undone: bool = False
    period: str = ""
    version: int = 0


def day_of(wall_ms: int) -> int:
    """Days since 1970-01-01 (UTC)."""
    return wall_ms // DAY_MS
