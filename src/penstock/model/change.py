"""What asks for work, and the set of jobs that answers it."""

import msgspec

from penstock.model.job import Trust
from penstock.model.states import BuildState
from penstock.model.units import DAY_MS


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A push, tag, merge request, patch series, timer tick or person's call that asks for work.

    `source` identifies what is built (a newer change of the same source supersedes an older one);
    `automatic` is False when a person asked: then remembered failures are run again. `pools` are those that its
    jobs may use, empty = all; `project` is what it is called after, and counts only where its jobs are of it, too; `queue_limit_ms` is how long a job of it waits in the queue before it expires.
    `branch`: the branch or tag that it is on, "" where that is not known.
    """

    id: str
    source: str
    ref: str = ""
    who: str = ""
    trust: Trust = "untrusted"
    klass: str = "change"
    project: str = ""
    pools: tuple[str, ...] = ()
    priority: int = 0
    queue_limit_ms: int = DAY_MS
    automatic: bool = False
    created_ms: int = 0
    branch: str = ""
    version: int = 0


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs planned for one change. `open` is False once there is a verdict."""

    id: str
    change: str
    source: str
    state: BuildState = BuildState.OPEN
    reason: str = ""
    open: bool = True
    created_ms: int = 0
    ended_ms: int = 0
    version: int = 0
