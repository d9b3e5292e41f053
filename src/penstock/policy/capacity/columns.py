"""What the capacity policy knows, as columns of integers: jobs, machines, pools, and what was learnt.

The same columns live and simulated. Everything is integer milliseconds and micro-units; a moment that does not come is
NEVER_MS, a row that is not there -1. A table is a sequence of columns, `table[FIELD][row]`: tuples of `array('q')`
in plain Python, two-dimensional arrays where the functions are compiled (docs/decisions/0130). Functions of this package
therefore use no objects, no exceptions and no chance; they read and write columns.

Words of this package: a *lane* is one slot of one machine. An *island* is a set of asks and pools that are connected by
which pools suit which asks: what happens on one island never changes what is decided on another. An *ask* is what jobs ask for
that is alike to all pools. *Up* is able to run jobs; *coming* is requested, booting or resuming.
"""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

Column = MutableSequence[int]
Table = Sequence[Column]
Weights = MutableSequence[float]

# --- jobs: one row each ---------------------------------------------------------------------------------------------
JOB_STATE = 0
JOB_ASK = 1
JOB_NAME = 2
"""Row in names: what its duration is learnt by."""
JOB_READY_MS = 3
"""When it became runnable: submitted, and its needs ended."""
JOB_DUE_MS = 4
"""When it is late: ready + the promise, or later once it may be late on purpose."""
JOB_FLAGS = 5
JOB_LANE = 6
"""Where it runs, -1 where it does not."""
JOB_BEFORE = 7
JOB_AFTER = 8
"""Neighbours in its island's list of pending jobs."""
JOB_TRIES = 9
"""Attempts that were begun."""
JOB_WHY = 10
"""Code of the reason why it still waits (reasons.py)."""
JOB_ASK_BEFORE = 11
JOB_ASK_AFTER = 12
"""Neighbours among the pending jobs of its ask, in the same order."""
JOB_PLAN_MS = 13
"""While it waits: when the machine that it is planned on is reckoned to be free, NEVER_MS = planned on none."""
JOB_PLAN_LANE = 14
JOB_THEN = 15
"""The lane that it was planned on when jobs were last packed, -1 = none, and the job planned after it there."""
JOB_FIELDS = 16

AHEAD, PENDING, RUNNING, ENDED = 0, 1, 2, 3
LATE_OK, ASKED, LEFT, STEADY, STARTED = 1, 2, 4, 8, 16
"""Flags of a job: may be late on purpose; was asked about; was once left over with slack; was reclaimed and wants a machine
that is not; was started before."""

# --- asks -----------------------------------------------------------------------------------------------------------
ASK_ISLAND = 0
ASK_CORES = 1
ASK_MEMORY_MB = 2
ASK_STRICT = 3
"""1 for classes that are never late on purpose and never on machines that may be reclaimed: release, interactive."""
ASK_FIRST = 4
ASK_LAST = 5
ASK_PENDING = 6
"""Its pending jobs in the order of their deadlines, and how many."""
ASK_MET = 7
"""1 once a job asked so: before that nobody may know of it."""
ASK_NEXT = 8
"""The next one that was met on its island, -1 at the end."""
ASK_BLOCKED = 9
"""1 = no machine has room for its first job at the moment of this look."""
ASK_FIELDS = 10

# --- pools ----------------------------------------------------------------------------------------------------------
POOL_ISLAND = 0
POOL_OWNED = 1
POOL_SLOTS = 2
POOL_CORES = 3
POOL_MEMORY_MB = 4
"""Of one machine; 0 = one job per slot whatever its size."""
POOL_PRICE = 5
"""Micro-units per machine-hour; what is owned costs nothing more for being used."""
POOL_STOPPED_PRICE = 6
"""Micro-units per hour of a suspended machine, -1 where the pool cannot suspend."""
POOL_BOOT_MS = 7
POOL_RESUME_MS = 8
"""How long it is reckoned to take; -1 = cannot."""
POOL_COLD_MS = 9
POOL_SUSPEND_MS = 10
POOL_DELETE_MS = 11
POOL_GRANULARITY_MS = 12
POOL_MINIMUM_MS = 13
POOL_USES = 14
"""Jobs until a machine is replaced, 0 = no limit."""
POOL_LEAST = 15
POOL_MOST = 16
"""How many machines there must and may be, suspended ones included; -1 = no limit."""
POOL_RECLAIM_PPM = 17
"""Chance of losing a machine in one hour, in millionths."""
POOL_SPEED_PPM = 18
POOL_PAUSED_MS = 19
"""Nothing is ordered here before this moment (backoff, quota, quarantine, or NEVER_MS: switched off)."""
POOL_PENALTY_MS = 20
"""How long the last pause was; the next is twice as long. Negative: of a quota that frees itself."""
POOL_FAILURES = 21
"""Orders that failed in a row."""
POOL_ORDERS = 22
POOL_ORDERS_FAILED = 23
"""Orders lately and how many of them failed, both halved at 64: what an order is likely to come to."""
POOL_MACHINES = 24
"""Rows in use: everything that is neither gone nor refused."""
POOL_TOKENS = 25
POOL_TOKENS_MS = 26
"""Orders that may still be given at once, and when they were last refilled."""
POOL_STOP_MS = 27
POOL_GONE_MS = 28
"""T* and T2*: break-even times for suspending (or deleting, without a suspended state) and deleting; NEVER_MS = not."""
POOL_TAKEN = 29
"""Of the machines that are coming: how many this look gave to pending jobs, in millionths of a machine."""
POOL_PEAK = 30
POOL_KEEP = 31
"""The most machines at work since the period began, and in the period before it: what `always-on` keeps."""
POOL_FIELDS = 32

# --- lists of machines: row `pool * KINDS + kind` -------------------------------------------------------------------
LIST_FIRST = 0
LIST_LAST = 1
LIST_COUNT = 2
LIST_FIELDS = 3

COMING, IDLE, OPEN, FULL, SUSPENDING, STOPPED, DELETING, ABSENT = 0, 1, 2, 3, 4, 5, 6, 7
"""Kinds, and states of machines: idle = up with every lane free, open = some, full = none."""
KINDS = 7
"""Lists per pool: every state but ABSENT."""

# --- machines -------------------------------------------------------------------------------------------------------
MACHINE_STATE = 0
MACHINE_POOL = 1
MACHINE_SERIAL = 2
"""Rises with every machine; ties go by it. Rows are used again, serials never."""
MACHINE_BEFORE = 3
MACHINE_AFTER = 4
MACHINE_SINCE_MS = 5
"""When it came into its state."""
MACHINE_READY_MS = 6
"""While coming: when it is reckoned to be up."""
MACHINE_FREE = 7
"""Free lanes, also while it is coming."""
MACHINE_STARTS = 8
"""Jobs begun on this disk; 0 = its first one is cold."""
MACHINE_CORES = 9
MACHINE_MEMORY_MB = 10
"""What is free of a pool that has sizes."""
MACHINE_STOP_MS = 11
"""While idle: when it is to be suspended, or deleted where its pool cannot suspend. Fixed when it became idle."""
MACHINE_GONE_MS = 12
"""While suspended: when it is to be deleted."""
MACHINE_FLAGS = 13
MACHINE_BOOTED_MS = 14
"""When its last boot or resume was ordered: what it is paid from."""
MACHINE_FIELDS = 15

RESUMED, NOTICED, DRAINED, HELD, PINNED = 1, 2, 4, 8, 16
"""Flags of a machine: its last wake was a resume; it will be reclaimed; it takes nothing new; it is kept free in this decision;
it is never stopped."""

# --- lanes: row `machine * width + slot` ----------------------------------------------------------------------------
LANE_JOB = 0
LANE_STARTED_MS = 1
"""Of the job, cold extra included: its age counts from `LANE_STARTED_MS + LANE_COLD_MS`."""
LANE_COLD_MS = 2
LANE_NEXT = 3
"""The job that was planned to come next when jobs were last packed; it may be elsewhere or over by now."""
LANE_FIELDS = 4

# --- names: durations by name, at speed 1 and without the cold extra; the last row of each island is for all names ----
NAME_COUNT = 0
"""How many are kept, at most KEPT (KEPT_OF_ALL in the rows for all)."""
NAME_AT = 1
"""Where the next goes in the ring."""
NAME_FROM = 2
"""Where its part of `samples` and `ring` begins."""
NAME_ROOM = 3
NAME_ISLAND = 4
NAME_FIELDS = 5
KEPT = 31
KEPT_OF_ALL = 501
FIRST_GUESS_MS = 600_000

# --- islands --------------------------------------------------------------------------------------------------------
ISLAND_FIRST = 0
ISLAND_LAST = 1
"""Pending jobs in the order of their deadlines."""
ISLAND_LATE_FIRST = 2
ISLAND_LATE_LAST = 3
"""Pending jobs that may be late on purpose, likewise."""
ISLAND_PENDING = 4
ISLAND_LATE_PENDING = 5
ISLAND_RUNNING = 6
ISLAND_OWNED = 7
"""Lanes of owned machines that are not lost."""
ISLAND_SEEN = 8
ISLAND_LATE = 9
"""Jobs seen, and those started after ready + the promise."""
ISLAND_NEED = 10
"""Rented machines needed: busy, or ordered and not yet up. Its level for learnt timeouts."""
ISLAND_BOOTS = 11
ISLAND_RESUMES = 12
ISLAND_HELD_MS = 13
"""Machine time suspended, so far."""
ISLAND_PRICES = 14
ISLAND_PRICE_AT = 15
ISLAND_ASKED = 16
"""Prices asked of the lateness budget: kept, where the next goes in the ring, jobs they stood for."""
ISLAND_ALL_NAMES = 17
"""Row in names that stands for all of the island."""
ISLAND_WAKE_MS = 18
"""When to decide again though nothing happens."""
ISLAND_RISES = 19
ISLAND_RISE_AT = 20
ISLAND_WINDOW_MS = 21
ISLAND_WINDOW_FROM = 22
ISLAND_WINDOW_MOST = 23
"""Forecast of the reserve: rises kept and the ring's position; the running window's begin, first and largest load."""
ISLAND_LOOKED_MS = 24
"""When a preset last looked, or when jobs were last packed."""
ISLAND_ADDED_MS = 25
ISLAND_STOPPED_MS = 26
"""When a machine was last ordered, and last stopped."""
ISLAND_FAILED_MS = 27
ISLAND_OF_OWN = 28
"""Words of a preset of its own, eight of them."""
ISLAND_TIMER_MS = 36
"""Not before this moment is any machine due to be stopped or deleted: until then nobody looks through them."""
ISLAND_ASKS = 37
"""The ask that was met last; go on with ASK_NEXT."""
ISLAND_LOAD = 38
"""Jobs pending and running when it was last decided."""
ISLAND_RESERVE = 39
"""Lanes that are kept free or coming for jobs that are not there yet."""
ISLAND_FIELDS = 40

# --- weights (floating point), a row per island -----------------------------------------------------------------------
BANDS = 64
STOP_CHOICES = 4
GONE_CHOICES = 6
WEIGHT_RESCUED = 0
WEIGHT_MARKED = 1
WEIGHT_STOP = 2
"""BANDS * STOP_CHOICES learnt costs of stop fractions, then BANDS * GONE_CHOICES of delete fractions."""
WEIGHT_GONE = WEIGHT_STOP + BANDS * STOP_CHOICES
WEIGHTS = WEIGHT_GONE + BANDS * GONE_CHOICES

PRICES_KEPT = 1000
RISES_KEPT = 300

# --- rules: one column of numbers -------------------------------------------------------------------------------------
RULE_PRESET = 0
RULE_WAIT_PRICE = 1
"""Micro-units per hour that one job waits."""
RULE_PROMISE_MS = 2
RULE_PROMISE_PPM = 3
"""Share of jobs that is promised to start in time, in millionths."""
RULE_SPEND = 4
"""1: the rest of the promise may be used up on purpose."""
RULE_WIDTH = 5
"""Lanes per machine row: the most slots of any pool."""
RULE_ISLANDS = 6
RULE_POOLS = 7
RULE_TICK_MS = 8
"""Pack at most this often; 0 = at every event on small islands, every few seconds on large ones; -1 = at every event."""
RULE_CHAIN_LEAD_MS = 9
RULE_LATE_CAP = 10
RULE_PACK_MOST = 11
RULE_SEQUENCE_MOST = 12
RULE_LOOK_MOST = 13
"""How many machines that free up first are looked at, beside all idle and coming ones."""
RULE_BURST = 14
"""Budget: 0 = may order, 1 = only strict asks, 2 = nothing new."""
RULE_OF_PRESET = 15
"""The numbers of the preset, in the order of preset_numbers.NUMBERS."""
RULES = 40

# --- the head: one column -----------------------------------------------------------------------------------------------
HEAD_ACTS = 0
HEAD_SERIAL = 1
HEAD_FREE_ROWS = 2
"""How many rows of machines are free; `free_rows` holds them."""
HEAD_JOBS = 3
HEAD_FIELDS = 4

# --- acts: what was decided, in order -----------------------------------------------------------------------------------
ACT_KIND = 0
ACT_JOB = 1
ACT_MACHINE = 2
ACT_LANE = 3
ACT_WHY = 4
ACT_FIELDS = 5

START, BOOT, RESUME, SUSPEND, DELETE = 0, 1, 2, 3, 4

CURBED = 2
"""What suits begin at where a guard limits orders. A pool that is curbed at all has a POOL_LEAST of -1: nothing stands by."""
KEEPS = -2
"""The POOL_LEAST of a curbed pool in which what sleeps is not deleted, either."""
HOLDS = -3
"""The POOL_LEAST of a pool in which too many machines say nothing: none is suspended or deleted."""


NEVER_MS = 2**62
"""A moment that does not come."""


class Farm(NamedTuple):
    """All columns. `suits[ask][pool]` is 1 where the pool's machines may run such jobs, CURBED + n where one more is ordered for
    them only while fewer than n of its machines are at work (a guard of a budget; offers.curb)."""

    rules: Column
    head: Column
    jobs: Table
    asks: Table
    pools: Table
    suits: Table
    lists: Table
    machines: Table
    lanes: Table
    free_rows: Column
    names: Table
    samples: Column
    ring: Column
    islands: Table
    weights: Sequence[Weights]
    levels: Table
    """Per island: when the need last fell below each level, -1 = never."""
    prices: Table
    price_ring: Table
    rises: Table
    acts: Table
    scratch: Table
    """The sheet of one decision (sheet.py): room for sorting and packing; nothing in it outlives the decision."""


SCRATCHES = 42
PACKED_MOST = 1000
"""Jobs that one packing looks at, at most."""


class Shape(NamedTuple):
    """How many rows each table has."""

    jobs: int
    asks: int
    pools: int
    islands: int
    machines: int
    width: int
    names: int
