"""The sheet of one decision: pending jobs, seats and numbers, in scratch columns. Sorting of them.

A *place* is a pending job's row on the sheet, in order of submission; a *seat* is a lane that jobs are planned on, now
or later, one after another. Nothing here outlives the decision.
"""

from penstock.policy.capacity.columns import NEVER_MS, Column, Table

# --- numbers of the decision: sheet[FRAME][...] -----------------------------------------------------------------------
FRAME = 0
NOW_MS = 0
ISLAND = 1
PLACES = 2
SEATS = 3
GROUPS = 4
WAKE_MS = 5
GUARD = 6
"""1 = hardly any lateness is left to spend: reckon with the worst."""
EARLY_MS = 7
"""How much earlier everything is ordered, because packing happens by the tick."""
LEFT_PLACES = 8
SEQUENCE_MOST = 9
COMING_MS = 10
"""When the last of the machines that are coming is up."""
ALLOWED_ASK = 11
ALLOWED_STEADY = 12
"""What ALLOWED was last filled for, -1 = for nothing yet."""
NEED_CORES = 13
NEED_MEMORY_MB = 14
"""Of the job that is looked at."""
KEPT = 15
"""The machine that is kept free for a big job, -1 = none."""
POOLS_HERE = 16
EMPTY_SEATS = 20
"""Lanes of machines to be ordered on which nothing is planned yet."""
ROOM = 22
"""Seats that are free now in the rented pool that has most of them."""
SOME_CURBED = 21
"""1 where ALLOWED says of a pool that a guard limits what is ordered there."""
FASTEST_PPM = 18
"""Of the seats."""
HORIZON_MS = 19
"""No job that is planned may start later: what is free after it does not matter."""
SIZED = 17
"""1 where a pool of the island counts cores."""

# --- places -----------------------------------------------------------------------------------------------------------
JOB = 1
ASK = 2
WORK_MS = 3
"""Estimate at speed 1."""
DUE_MS = 4
"""The latest start in the packing that goes on."""
NEXT = 5
"""The place that comes after it on the same seat, -1 = none."""
SEAT = 6
"""Where it is planned, -1 = nowhere."""
POOL = 7
"""The rented pool that it would go to, -1 = none."""
MARK = 8
LATE, LEFT_OVER, URGENT, ALONE, WHENEVER, ORDERED = 1, 2, 4, 8, 16, 32
"""Marks: has no deadline now; does not fit on what there is; must be ordered for now; is worth a machine of its own;
takes a rented machine whenever one stands idle; is past the last moment at which a machine was ordered for it."""

ORDER = 9
KEY = 10
SPARE = 11

# --- seats ------------------------------------------------------------------------------------------------------------
MACHINE = 12
SEAT_POOL = 13
FREE_MS = 14
LOAD_MS = 15
"""When the last job planned on it ends."""
FIRST = 16
ALLOWED = 17
"""By pool: 1 where the job that is looked at may go."""
COUNT = 18
MOST = 19
SLACK_MS = 20
"""How much later the last job with a deadline planned on it could start."""
SURE_MS = 21
"""When what runs there has ended, rather surely."""
EXTRA_MS = 22
"""What the first job takes longer because the disk is cold."""
SPEED_PPM = 23
GROUP = 24

BLOCK = 25
"""How many seats from this one on are lanes of the same machine, free at the same time."""
BUSY = 26
"""1 where something runs now."""

# --- machines that could be ordered -----------------------------------------------------------------------------------
GROUP_MACHINE = 27
"""The stopped machine, -1 = a new one."""
GROUP_POOL = 28
GROUP_FROM = 29
"""Its first seat; its lanes follow each other."""
PLANNED = 30
"""By pool: new machines on this sheet."""
FRESHEST = 31
"""By pool: the next stopped machine to be planned on."""
LATEST_MS = 32
"""By place: its deadline as it counts for ordering."""
SEAT_CORES = 33
SEAT_MEMORY_MB = 34
"""What a seat has room for now; PLENTY where that is not known or not counted."""
DEMAND = 35
"""By pool: pending jobs that may go there."""
POOLS = 36
"""Pools of the island, those that fewest pending jobs may go to first: so that what can go anywhere leaves the others."""
BENCH_LOAD_MS = 37
BENCH_FIRM_MS = 40
BENCH_SLACK_MS = 38
"""By bench, so many seats side by side: the least load of those that take more, the same of jobs with a deadline alone,
and the most slack. What fits none of a bench is seen at once."""
FIRM_MS = 41
"""When the last job with a deadline planned on the seat ends."""
ENDLESS_MS = 2**60
"""The deadline of a job that has none; sums with it stay below 2^62."""
LANE = 39
"""Of a seat: the lane where its plan is kept until jobs are packed again, -1 = nowhere."""
BENCH = 32
PLENTY = 2**60

FULL_SPEED_PPM = 1_000_000
SHORT_RUN = 24
"""Rows that are sorted by insertion."""


def rank(sheet: Table, count: int) -> None:
    """Put ORDER[0:count] into the order of KEY[row], smallest first; equal ones keep their order."""
    order, key, spare = sheet[ORDER], sheet[KEY], sheet[SPARE]
    for begin in range(0, count, SHORT_RUN):
        _insert(order, key, begin, min(begin + SHORT_RUN, count))
    run = SHORT_RUN
    while run < count:
        for begin in range(0, count, 2 * run):
            _merge(sheet, begin, min(begin + run, count), min(begin + 2 * run, count))
        for at in range(count):
            order[at] = spare[at]
        run *= 2


def _insert(order: Column, key: Column, begin: int, end: int) -> None:
    for at in range(begin + 1, end):
        row = order[at]
        value, gap = key[row], at
        while gap > begin and key[order[gap - 1]] > value:
            order[gap] = order[gap - 1]
            gap -= 1
        order[gap] = row


def _merge(sheet: Table, begin: int, middle: int, end: int) -> None:
    order, key, spare = sheet[ORDER], sheet[KEY], sheet[SPARE]
    left, right = begin, middle
    for at in range(begin, end):
        if left < middle and (right >= end or key[order[left]] <= key[order[right]]):
            spare[at] = order[left]
            left += 1
        else:
            spare[at] = order[right]
            right += 1


def wake_at(sheet: Table, moment_ms: int) -> None:
    """Decide again at this moment, if it is still to come and nothing earlier asks for it."""
    frame = sheet[FRAME]
    if frame[NOW_MS] < moment_ms < frame[WAKE_MS]:
        frame[WAKE_MS] = moment_ms


def begin(sheet: Table, island: int, now_ms: int) -> None:
    """A fresh sheet."""
    frame = sheet[FRAME]
    frame[NOW_MS], frame[ISLAND], frame[WAKE_MS] = now_ms, island, NEVER_MS
    frame[PLACES] = frame[SEATS] = frame[GROUPS] = 0
    frame[ALLOWED_ASK] = frame[KEPT] = -1
