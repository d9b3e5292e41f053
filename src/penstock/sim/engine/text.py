"""Lines as bytes, where they are written by compiled code: what sim/record.py writes in plain Python, byte for byte.

`parts` are the texts that lines are put together from, one behind the other; the text `n` is
`parts[starts[n]:starts[n + 1]]`. Texts are told apart by `first`: kinds, then pools in two ways, then jobs.
"""

from penstock.policy.capacity.columns import Column, Table
from penstock.sim.engine.world import (
    LINE_ATTEMPT,
    LINE_JOB,
    LINE_KIND,
    LINE_MS,
    LINE_NUMBER,
    LINE_POOL,
)

OPENING, NO_JOB, ATTEMPT, NO_ATTEMPT, MACHINE, NOTHING, CLOSING, KINDS = 0, 1, 2, 3, 4, 5, 6, 7
"""Texts that do not depend on the line, then one for each kind."""
STEMS, POOLS, JOBS = 0, 1, 2
"""Which texts begin where, in `first`: names of machines without their numbers, names of pools, ids of jobs."""
ZERO, MINUS = 48, 45
LONGEST = 96
"""Bytes of a line beside its names and the text of its kind."""


def write(lines: Table, count: int, parts: Column, starts: Column, first: Column, out: Column) -> int:
    """Write `count` lines to `out`, which has room. Returns how many bytes."""
    at = 0
    for line in range(count):
        at = _text(parts, starts, OPENING, out, at)
        at = _number(lines[LINE_MS][line], out, at)
        at = _text(parts, starts, KINDS + lines[LINE_KIND][line], out, at)
        job, attempt, pool = lines[LINE_JOB][line], lines[LINE_ATTEMPT][line], lines[LINE_POOL][line]
        at = _text(parts, starts, first[JOBS] + job if job >= 0 else NO_JOB, out, at)
        if pool < 0:
            at = _text(parts, starts, NOTHING, out, at)
            continue
        at = _text(parts, starts, ATTEMPT, out, at)
        if attempt >= 0:
            at = _number(attempt, out, at)
        else:
            at = _text(parts, starts, NO_ATTEMPT, out, at)
        at = _text(parts, starts, MACHINE, out, at)
        at = _text(parts, starts, first[STEMS] + pool, out, at)
        at = _number(lines[LINE_NUMBER][line], out, at)
        at = _text(parts, starts, first[POOLS] + pool, out, at)
        at = _text(parts, starts, CLOSING, out, at)
    return at


def _text(parts: Column, starts: Column, which: int, out: Column, at: int) -> int:
    begin, end = starts[which], starts[which + 1]
    for place in range(begin, end):
        out[at + place - begin] = parts[place]
    return at + end - begin


def _number(value: int, out: Column, at: int) -> int:
    """Its decimal digits."""
    if value < 0:
        out[at] = MINUS
        at, value = at + 1, -value
    digits, rest = 1, value // 10
    while rest > 0:
        digits, rest = digits + 1, rest // 10
    for place in range(at + digits - 1, at - 1, -1):
        out[place] = ZERO + value % 10
        value //= 10
    return at + digits
