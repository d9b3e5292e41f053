"""Jobs and attempts: one unit of work, and one try at it. Specs never change; attempts are appended."""

from typing import Literal

import msgspec

from penstock.model import states
from penstock.model.pool_foreign import OURS
from penstock.model.states import AttemptState, JobState
from penstock.model.units import DAY_MS, NEVER_MS, Size

Kind = Literal["fetch", "build", "test"]
Trust = Literal["untrusted", "trusted"]
TRUSTS: tuple[Trust, ...] = ("untrusted", "trusted")
"""Levels from low to high: what is built at one is read by that one and below, never by those above."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source tree, by content.

    `repository` is a URL or an absolute folder; `commit` what the ref pointed to ("" for a working tree);
    `tree` the git object that is unpacked; `digest` what goes into keys: sha256 over mode, name and blob of
    every file, `.penstock.yml` at its top left out.
    """

    repository: str
    ref: str = "HEAD"
    path: str = "."
    commit: str = ""
    tree: str = ""
    digest: str = ""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, where, with what: everything an agent needs, nothing that changes.

    `source_from` says what the working folder starts as: the source itself, what a fetch job left, or the
    packed working tree of the module's build. `needs_modules` are the (module, platform) pairs asked for
    directly. `identity` is the platform's: an image digest or a measured fingerprint. `secrets`: names of those that it
    is given; values are in no record. `agent`: whose agent runs it: a job of another system is only watched here.
    """

    kind: Kind
    module: str
    platform: str
    commands: tuple[str, ...]
    environment: dict[str, str] = {}
    source: Source | None = None
    source_from: Literal["source", "fetch", "build"] = "source"
    needs_modules: tuple[tuple[str, str], ...] = ()
    size: Size = Size()
    timeout_ms: int = 1_800_000
    network: Literal["none", "full"] = "none"
    artifacts: tuple[str, ...] = ()
    keep_worktree: bool = False
    reuse: Literal["passed", "never", "all"] = "passed"
    reuse_for_ms: int | None = None
    retry: Literal["farm", "never"] = "farm"
    trust: Trust = "untrusted"
    klass: str = "change"
    identity: str = ""
    agent: str = OURS
    secrets: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of work of one build, as it stands now.

    `needs` are the job ids whose installed trees this one sees directly (their own needs follow from them);
    `source_job` is the fetch or build job that its working folder comes from, "" when it is the source itself.
    `unmet` counts parents that have not ended well yet (needs, source_job, and own build for a test).
    `rank` orders the queue, lower first: level and turn in one number (policy/ordering), the best among its own,
    `own_rank`, and those of the jobs that wait for it.
    `wanted` is False when its own build gave it up but another build waits for its module.
    `waits_on` names the job that makes the same key at this moment, "" when none.
    `open` is False in a terminal state. `deadline_ms` (of waiting in the queue; NEVER_MS while it does not) and
    `not_before_ms` are in farm time, the `_ms` labels of what happened are wall clock. `output` and `worktree`
    are blob digests, "" while there is none. `automatic`: no person asked for it. `losses` counts the farm
    errors that count against its retries, `lost_on` the machines that it was lost on for an unknown cause;
    `steady` asks for a machine that is not reclaimed (I5). `project`, `pools` and `queue_limit_ms` are its change's.
    """

    id: str
    build: str
    name: str
    spec: JobSpec
    state: JobState
    reason: str = ""
    version: int = 0
    open: bool = True
    rank: int = 0
    wanted: bool = True
    needs: tuple[str, ...] = ()
    source_job: str = ""
    unmet: int = 0
    key: str = ""
    waits_on: str = ""
    culprit: str = ""
    submitted_ms: int = 0
    ready_ms: int = 0
    ended_ms: int = 0
    deadline_ms: int = NEVER_MS
    not_before_ms: int = 0
    attempts: int = 0
    epoch: int = 0
    losses: int = 0
    lost_on: tuple[str, ...] = ()
    steady: bool = False
    automatic: bool = False
    project: str = ""
    pools: tuple[str, ...] = ()
    queue_limit_ms: int = DAY_MS
    own_rank: int = 0
    output: str = ""
    worktree: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt used: wall and processor time, the highest memory seen. None where it could not be measured.

    `held_ms`: how long it had its slot, getting the source and sending the outputs included; 0 where an older agent
    does not say. `wall_ms`: its commands alone; `fetch_ms`: what went before them.
    """

    wall_ms: int = 0
    held_ms: int = 0
    fetch_ms: int | None = None
    cpu_ms: int | None = None
    memory_peak_mb: int | None = None
    measured_by: str = ""


class Output(msgspec.Struct, frozen=True):
    """One uploaded output of an attempt: its role ("tree", "worktree", "source", "artifacts"), digest and size."""

    name: str
    digest: str
    size_bytes: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a job, and the lease that goes with it.

    `fence` is the lease's token "incarnation:epoch". In farm time: `granted_ms` when it was offered,
    `right_until_ms` when its right ends (of an offer: when it goes back), `limit_ms` when it ends however often
    it is renewed. `why` says why it was placed there. `extended`: its right was extended because too many ended at once; a renewal takes that back.
    `acknowledge_digest` and `finish_digest` remember the bodies that were accepted (I2). `live` is False in a
    terminal state and from `finishing` on: right and slot end there.
    """

    id: str
    job: str
    build: str
    n: int
    fence: str
    machine: str
    slot: int
    session: str
    pool: str
    project: str = ""
    state: AttemptState
    cause: str = ""
    why: str = ""
    live: bool = True
    settled: bool = False
    version: int = 0
    size: Size = Size()
    price_per_hour_micros: int = 0
    cost_micros: int = 0
    offered_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    granted_ms: int = 0
    right_until_ms: int = 0
    limit_ms: int = NEVER_MS
    extended: bool = False
    acknowledge_digest: str = ""
    finish_digest: str = ""
    finish_body: str = ""
    log_bytes: int = 0
    usage: Usage = Usage()
    outputs: tuple[Output, ...] = ()


class Edge(msgspec.Struct, frozen=True):
    """`child` waits for `parent`; both are jobs. `met` once the parent has ended well."""

    parent: str
    child: str
    met: bool = False
    version: int = 0


def moved(job: Job, state: JobState, reason: str, **changes: object) -> Job:
    """The job after one step of its table. Raises NotAllowed for a step that the table does not have."""
    states.step(states.JOB, job.state, state)
    is_open = not states.JOB.terminal(state)
    return msgspec.structs.replace(job, state=state, reason=reason, open=is_open, **changes)


def attempt_moved(attempt: Attempt, state: AttemptState, cause: str, **changes: object) -> Attempt:
    """The attempt after one step of its table; it stops being live at `finishing` or any end."""
    states.step(states.ATTEMPT, attempt.state, state)
    settled = states.ATTEMPT.terminal(state)
    live = not settled and state != AttemptState.FINISHING
    return msgspec.structs.replace(attempt, state=state, cause=cause, live=live, settled=settled, **changes)
