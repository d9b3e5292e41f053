"""What has been counted since the books began, for monitoring: one row for each thing and what it is told apart by."""

import msgspec


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """So many of `what` ("attempt", "wait", "wait_ms", "run", "run_ms", "power") in a pool. `by` and `of` say which: project and
    outcome of attempts, class and bucket of waits and runs, the new power of machines."""

    what: str
    pool: str
    by: str
    of: str
    value: int = 0
    version: int = 0
