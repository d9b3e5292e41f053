"""What is true of a simulated world, as columns: what no policy may see, and what is counted for the outcome.

The farm's columns (policy/capacity/columns.py) are what the hub would know. Here are durations that have not come out
yet, wake times as they will be, faults to come, money. Rows of jobs and machines are those of the farm.
"""

from collections.abc import Sequence
from typing import NamedTuple

from penstock.policy.capacity.columns import Column

Table = Sequence[Column]

# --- jobs -------------------------------------------------------------------------------------------------------------
TRUE_READY_MS = 0
TRUE_FIRST_MS = 1
TRUE_END_MS = 2
TRUE_RAN_MS = 3
TRUE_POOL = 4
TRUE_UNMET = 5
"""Needs that have not ended, and one more until it is submitted; GONE_BY = never comes."""
TRUE_FIELDS = 6
GONE_BY = 2**40

# --- machines -----------------------------------------------------------------------------------------------------------
OWN_ORDER = 0
"""Order of the event that ends its coming, suspending or deleting; another one of it is stale."""
OWN_RECLAIM = 1
"""Order of the event that takes it back or strikes it."""
OWN_NUMBER = 2
"""Counts the machines of its pool from 1: its name."""
OWN_PAID_MS = 3
"""Since when it is paid as running, -1 = it is not."""
OWN_STOPPED_MS = 4
"""Since when it is paid as stopped, -1 = it is not."""
OWN_IDLE_MS = 5
"""Since when it is up and runs nothing, -1 = it is not."""
OWN_TURN_MS = 6
"""When its coming, suspending or deleting began: life cycle."""
OWN_TURN = 7
"""How many times it was woken: wake times differ from one to the next."""
OWN_SILENT_MS = 8
"""Since when nothing is heard of it, -1 = it is there."""
OWN_BACK_MS = 9
"""When it is heard of again."""
OWN_FIELDS = 10

# --- pools ---------------------------------------------------------------------------------------------------------------
SUM_RUNNING = 0
SUM_STOPPED = 1
"""Micro-units, interval by interval."""
SUM_IDLE_MS = 2
SUM_LIFECYCLE_MS = 3
SUM_WORK_MS = 4
SUM_BOOTS = 5
SUM_RESUMES = 6
SUM_PEAK = 7
SUM_PAID = 8
"""Machines that are paid as running now."""
SUM_NUMBER = 9
SUM_PRICE = 10
SUM_STOPPED_PRICE = 11
SUM_RECLAIM_PPM = 12
SUM_BOOT_LIMIT_MS = 13
"""After how long a boot or resume that does not end is given up."""
SUM_FIELDS = 14

# --- lanes ----------------------------------------------------------------------------------------------------------------
LANE_ORDER = 0
"""Order of the end of the job on it; an end of another order is stale."""
LANE_BEGAN_MS = 1
LANE_TRUE_FIELDS = 2

# --- the head ---------------------------------------------------------------------------------------------------------------
NOW_MS = 0
NEXT_JOB = 1
JOBS = 2
EVENTS = 3
"""How many events the heap holds."""
ORDER = 4
LINES = 5
LEFT = 6
"""Jobs that have not ended."""
ACT_AT = 7
"""The next act of the last decision to carry out."""
TOUCHED = 8
SEED = 9
FROZEN_MS = 10
"""Until when the hub decides nothing and sees nothing end."""
WIDEST = 11
"""The most lines that one step can write."""
LAST_END_MS = 12
CLOSING = 13
"""The next machine row to give back when the run ends."""
HAPPENED_MS = 14
"""When what is being told happened. While the hub is away that is before NOW_MS, when it sees it."""
NOTICE_MS = 15
"""How long before a machine is taken back that is told."""
CONTACT_MS = 16
RIGHT_MS = 17
"""After how long a silent machine is given nothing new, and when what ran on it counts as lost."""
PAID = 18
"""Rented machines that are paid as running now, of all pools, and the most there were at once."""
PEAK = 19
MOVED_MS = 20
"""When a job was last submitted, started or ended."""
WORLD_FIELDS = 21

# --- lines ------------------------------------------------------------------------------------------------------------------
LINE_MS = 0
LINE_KIND = 1
LINE_JOB = 2
LINE_ATTEMPT = 3
LINE_POOL = 4
LINE_NUMBER = 5
LINE_FIELDS = 6

# --- events: order within one instant by class -----------------------------------------------------------------------------
JOB_ENDS, READY, HALTED, DELETED, GIVES_UP, STRIKES, BEFALLS, SILENCE, WAKES = range(9)
"""A job ends on a lane; a machine is up, suspended, gone, not up in time; a machine is taken back; a fault begins;
something is made of a machine's silence; an island's timer. By these numbers within one instant."""
CLASS_STEP = 2**52
"""An event's order is its class times this, and a number that rises."""
ROW_STEP = 2**40
"""`what` is a kind times this, and a row."""

HEAP_MS, HEAP_ORDER, HEAP_WHAT = 0, 1, 2
HEAP_FIELDS = 3

DONE, MORE, STUCK = 0, 1, 2
"""Why the loop returned: the last job ended; a buffer, the heap or the rows for machines want attention; jobs wait and
nothing will ever happen."""

BOOT_TIMES, RESUME_TIMES = 0, 1
TIMES = 4096
"""Wake times by quantile: row `2 * pool + BOOT_TIMES or RESUME_TIMES` of `times`."""

FAULT_KIND, FAULT_POOL, FAULT_FROM_MS, FAULT_UNTIL_MS, FAULT_SHARE_PPM, FAULT_LIMIT = 0, 1, 2, 3, 4, 5
FAULT_FIELDS = 6
"""A pool of -1 is every pool. `faults` has one row more than there are faults, which never begins."""
NO_CAPACITY, QUOTA, THROTTLED, BOOT_FAILURES, LOST, PARTITION, RECLAIMS, HUB_AWAY = range(8)
FAULT_KINDS = (
    "no_capacity",
    "quota",
    "throttled",
    "boot_failures",
    "lost",
    "partition",
    "reclaim",
    "hub_away",
)
"""What each kind is called in a file of faults, in the order of their numbers."""


class World(NamedTuple):
    """All columns. `children` of a job: `children[children_from[job]:children_from[job + 1]]`.

    `timers`: per island the moment and order of its timer in the heap, and whether it is to be decided."""

    head: Column
    submitted_ms: Column
    duration_ms: Column
    truth: Table
    children_from: Column
    children: Column
    own: Table
    lanes: Table
    sums: Table
    heap: Table
    timers: Table
    lines: Table
    times: Table
    faults: Table


TIMER_MS, TIMER_ORDER, TIMER_TOUCHED = 0, 1, 2
TIMER_FIELDS = 3
