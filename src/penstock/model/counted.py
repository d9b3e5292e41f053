"""What has been counted since the books began, for monitoring: one row for each thing and what it is told apart by."""

import msgspec


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """So many of `what` in a pool. `by` and `of` say which:

    "attempt" project, outcome; "wait", "run" class, bucket, and "wait_ms", "run_ms" class, ""; "phase" phase, bucket, and
    "phase_ms" phase, ""; "power" the new power of machines, ""; "decision" direction, kind of reason; "error" operation,
    class; "orphan" "found" or "deleted", ""; "unstarted" platform, outcome, in no pool.
    """

    what: str
    pool: str
    by: str
    of: str
    value: int = 0
    version: int = 0
