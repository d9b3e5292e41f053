"""The state machines, as tables. Diagrams in the docs are generated from them.

Terminal states are written in capitals, in the tables, in the database and on the screen.
"""

from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Where one unit of work stands."""

    HELD = "held"
    BLOCKED = "blocked"
    QUEUED = "queued"
    OFFERED = "offered"
    RUNNING = "running"
    PASSED = "PASSED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    BLOCKED_DEAD = "BLOCKED_DEAD"
    REUSED = "REUSED"


class AttemptState(StrEnum):
    """Where one try at a job stands."""

    OFFERED = "offered"
    RUNNING = "running"
    FINISHING = "finishing"
    PASSED = "PASSED"
    FAILED = "FAILED"
    LOST = "LOST"
    LAPSED = "LAPSED"
    REFUSED = "REFUSED"
    PREEMPTED = "PREEMPTED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"


class Power(StrEnum):
    """What the provider says of a machine."""

    ABSENT = "absent"
    REQUESTED = "requested"
    BOOTING = "booting"
    REGISTERING = "registering"
    UP = "up"
    DRAINING = "draining"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    DELETING = "deleting"
    GONE = "GONE"


class Health(StrEnum):
    """What its record says of a machine."""

    UNKNOWN = "unknown"
    GOOD = "good"
    SUSPECT = "suspect"
    BAD = "bad"
    QUARANTINED = "quarantined"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class SessionState(StrEnum):
    """Whether an agent is there, and what it does."""

    CONNECTING = "connecting"
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    GONE = "GONE"


class ModuleState(StrEnum):
    """Where a built part stands in the archive."""

    BUILDING = "building"
    VERIFIED = "verified"
    PUBLISHED = "published"
    EXPIRING = "expiring"
    COLLECTED = "COLLECTED"


class BuildState(StrEnum):
    """The verdict over all jobs of a build."""

    OPEN = "open"
    PASSED = "PASSED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    SUPERSEDED = "SUPERSEDED"


class GuardState(StrEnum):
    """Where a guard of a budget stands."""

    STANDBY = "standby"
    ARMED = "armed"
    PENDING = "pending"
    ACTIVE = "active"
    COOLING = "cooling"


class Table(msgspec.Struct, frozen=True):
    """One state machine: who it is about, and for each state those that may follow."""

    name: str
    follows: dict[str, tuple[str, ...]]

    def allows(self, before: str, after: str) -> bool:
        """True when `after` may follow `before`."""
        return str(after) in self.follows[str(before)]

    def terminal(self, state: str) -> bool:
        """True when nothing may follow."""
        return not self.follows[str(state)]


class NotAllowed(Exception):
    """A step that the table does not have: a bug in the caller, never a normal answer."""


_J, _A, _P = JobState, AttemptState, Power
_GIVEN_UP = (_J.CANCELLED, _J.SUPERSEDED, _J.EXPIRED)

JOB = Table(
    "job",
    {
        _J.HELD: (_J.BLOCKED, _J.QUEUED, _J.BLOCKED_DEAD, *_GIVEN_UP),
        _J.BLOCKED: (_J.HELD, _J.QUEUED, _J.REUSED, _J.FAILED, _J.BLOCKED_DEAD, *_GIVEN_UP),
        _J.QUEUED: (_J.HELD, _J.BLOCKED, _J.OFFERED, _J.REUSED, _J.FAILED, _J.ERROR, *_GIVEN_UP),
        _J.OFFERED: (_J.HELD, _J.QUEUED, _J.RUNNING, _J.ERROR, *_GIVEN_UP),
        _J.RUNNING: (_J.HELD, _J.QUEUED, _J.PASSED, _J.FAILED, _J.ERROR, *_GIVEN_UP),
        _J.PASSED: (),
        _J.FAILED: (),
        _J.ERROR: (),
        _J.CANCELLED: (),
        _J.EXPIRED: (),
        _J.SUPERSEDED: (),
        _J.BLOCKED_DEAD: (),
        _J.REUSED: (),
    },
)

_ENDED = (_A.PASSED, _A.FAILED, _A.REFUSED, _A.PREEMPTED, _A.TIMED_OUT, _A.CANCELLED)

ATTEMPT = Table(
    "attempt",
    {
        _A.OFFERED: (_A.RUNNING, _A.LAPSED, _A.REFUSED, _A.LOST, _A.PREEMPTED, _A.CANCELLED),
        _A.RUNNING: (_A.FINISHING, _A.LOST, _A.PREEMPTED, _A.CANCELLED),
        _A.FINISHING: _ENDED,
        _A.PASSED: (),
        _A.FAILED: (),
        _A.LOST: (),
        _A.LAPSED: (),
        _A.REFUSED: (),
        _A.PREEMPTED: (),
        _A.TIMED_OUT: (),
        _A.CANCELLED: (),
    },
)

POWER = Table(
    "machine power",
    {
        _P.ABSENT: (_P.REQUESTED, _P.REGISTERING),
        _P.REQUESTED: (_P.BOOTING, _P.REGISTERING, _P.UP, _P.DELETING, _P.GONE),
        _P.BOOTING: (_P.REGISTERING, _P.UP, _P.DELETING, _P.GONE),
        _P.REGISTERING: (_P.UP, _P.DELETING, _P.GONE),
        _P.UP: (_P.DRAINING, _P.SUSPENDING, _P.DELETING, _P.GONE),
        _P.DRAINING: (_P.UP, _P.SUSPENDING, _P.DELETING, _P.GONE),
        _P.SUSPENDING: (_P.SUSPENDED, _P.UP, _P.DELETING, _P.GONE),
        _P.SUSPENDED: (_P.RESUMING, _P.DELETING, _P.GONE),
        _P.RESUMING: (_P.REGISTERING, _P.UP, _P.SUSPENDED, _P.DELETING, _P.GONE),
        _P.DELETING: (_P.GONE,),
        _P.GONE: (),
    },
)

_H = Health
HEALTH = Table(
    "machine health",
    {
        _H.UNKNOWN: (_H.GOOD, _H.SUSPECT, _H.BAD, _H.QUARANTINED, _H.MAINTENANCE, _H.RETIRED),
        _H.GOOD: (_H.SUSPECT, _H.BAD, _H.QUARANTINED, _H.MAINTENANCE, _H.RETIRED),
        _H.SUSPECT: (_H.GOOD, _H.BAD, _H.QUARANTINED, _H.MAINTENANCE, _H.RETIRED),
        _H.BAD: (_H.GOOD, _H.QUARANTINED, _H.MAINTENANCE, _H.RETIRED),
        _H.QUARANTINED: (_H.UNKNOWN, _H.GOOD, _H.MAINTENANCE, _H.RETIRED),
        _H.MAINTENANCE: (_H.UNKNOWN, _H.GOOD, _H.RETIRED),
        _H.RETIRED: (),
    },
)

_S = SessionState
SESSION = Table(
    "agent session",
    {
        _S.CONNECTING: (_S.IDLE, _S.BUSY, _S.GONE),
        _S.IDLE: (_S.BUSY, _S.DRAINING, _S.GONE),
        _S.BUSY: (_S.IDLE, _S.DRAINING, _S.GONE),
        _S.DRAINING: (_S.IDLE, _S.BUSY, _S.GONE),
        _S.GONE: (),
    },
)

_M = ModuleState
MODULE = Table(
    "module",
    {
        _M.BUILDING: (_M.VERIFIED, _M.COLLECTED),
        _M.VERIFIED: (_M.PUBLISHED, _M.EXPIRING),
        _M.PUBLISHED: (_M.VERIFIED, _M.EXPIRING),
        _M.EXPIRING: (_M.COLLECTED,),
        _M.COLLECTED: (),
    },
)

_B = BuildState
BUILD = Table(
    "build",
    {
        _B.OPEN: (_B.PASSED, _B.FAILED, _B.ERROR, _B.CANCELLED, _B.SUPERSEDED),
        _B.PASSED: (),
        _B.FAILED: (),
        _B.ERROR: (),
        _B.CANCELLED: (),
        _B.SUPERSEDED: (),
    },
)

_G = GuardState
GUARD = Table(
    "guard",
    {
        _G.STANDBY: (_G.ARMED,),
        _G.ARMED: (_G.STANDBY, _G.PENDING, _G.ACTIVE),
        _G.PENDING: (_G.STANDBY, _G.ACTIVE),
        _G.ACTIVE: (_G.COOLING, _G.STANDBY),
        _G.COOLING: (_G.ACTIVE, _G.STANDBY),
    },
)

TABLES = {table.name: table for table in (JOB, ATTEMPT, POWER, HEALTH, SESSION, MODULE, BUILD, GUARD)}


def step(table: Table, before: str, after: str) -> None:
    """Check one step against its table. Raises NotAllowed."""
    if not table.allows(before, after):
        raise NotAllowed(f"{table.name}: {before} cannot become {after}")


def diagram(name: str) -> str:
    """The state diagram of one table as Mermaid text, states in the order of the table."""
    table = TABLES[name]
    lines = ["stateDiagram-v2"]
    for before, following in table.follows.items():
        lines += [f"    {before} --> {after}" for after in following]
        if not following:
            lines.append(f"    {before} --> [*]")
    return "\n".join(lines) + "\n"
