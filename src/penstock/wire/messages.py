"""What hub and agent say to each other, version 1. The agent sends and reads the same shapes as plain JSON.

All calls are POST with a JSON body below /api/v1/agent unless said otherwise, with `Authorization: Bearer`.
Raw bodies (log, outputs) carry the fence in the header `X-Penstock-Fence`. Unknown fields are ignored by both
sides, so that hub and agents can be one release apart. Durations in these messages are seconds (`_s`) because
people read them; sizes are bytes or megabytes as their names say.
"""

from typing import Literal

import msgspec

PROTOCOL = 1
FENCE_HEADER = "X-Penstock-Fence"

Order = Literal["continue", "stop", "drain"]
Result = Literal["passed", "failed", "timed_out", "cancelled", "refused", "preempted"]


class Held(msgspec.Struct, kw_only=True):
    """One attempt that the agent holds, and the first of its log bytes that the hub may not have."""

    attempt: str
    fence: str
    state: Literal["offered", "running", "finishing"] = "running"


class Register(msgspec.Struct, kw_only=True):
    """POST register, with an enrolment token or a machine credential. Ends the machine's older session.

    `key`: 64 hex digits made by the agent once and kept; `identity`: the measured fingerprint of the platform.
    """

    protocol: int = PROTOCOL
    name: str
    key: str
    slots: int = 1
    cores: int = 1
    memory_mb: int | None = None
    identity: str = ""
    sandbox: Literal["bubblewrap", "plain"] = "bubblewrap"
    version: str = ""
    holds: list[Held] = []


class Ordered(msgspec.Struct, kw_only=True):
    """What the agent is to do with one attempt that it named."""

    attempt: str
    order: Order
    reason: str = ""


class Registered(msgspec.Struct, kw_only=True):
    """The answer to register. `credential` is given once, at enrolment; later calls use `token`.

    `direct`: the hub gives tickets for outputs (see Ticket).
    """

    protocol: int
    machine: str
    session: str
    token: str
    credential: str | None = None
    contact_s: float
    right_s: float
    poll_s: float
    orders: list[Ordered] = []
    direct: bool = False


class Acknowledge(msgspec.Struct, kw_only=True):
    """POST attempts/{id}/acknowledge: the offer is taken; from now the right runs."""

    attempt: str
    fence: str


class Used(msgspec.Struct, kw_only=True):
    """What an attempt used; None where it could not be measured."""

    wall_ms: int = 0
    cpu_ms: int | None = None
    memory_peak_mb: int | None = None
    measured_by: str = ""


class Uploaded(msgspec.Struct, kw_only=True):
    """One output that the agent uploaded: "tree", "worktree", "source" or "artifacts"."""

    name: str
    digest: str
    size_bytes: int


class Ticket(msgspec.Struct, kw_only=True):
    """The answer to POST attempts/{id}/outputs/{name}/ticket: leave to send this output past the hub.

    Send it as one body of known length, at most `most_bytes`, to `url` by `method` with `headers`, and begin within
    `valid_s`; then POST attempts/{id}/outputs/{name}/received, which the hub answers as Uploaded when it has read it.
    """

    method: str
    url: str
    headers: dict[str, str] = {}
    valid_s: float
    most_bytes: int


class Finish(msgspec.Struct, kw_only=True):
    """POST attempts/{id}/finish: how the attempt ended.

    `passed`, `failed`, `timed_out`: the job's own verdict. `refused`: the machine could not do it (`cause` says
    why: disk full, inputs that cannot be fetched); it is charged to the farm and tried elsewhere.
    `remember` is False for failures that say nothing about the code (signals, memory, disk, network).
    """

    attempt: str
    fence: str
    result: Result
    cause: str = ""
    exit_code: int | None = None
    remember: bool = True
    log_bytes: int = 0
    outputs: list[Uploaded] = []
    used: Used = msgspec.field(default_factory=Used)


class Poll(msgspec.Struct, kw_only=True):
    """POST poll: says the free slots, names and so renews all that is held, carries acknowledgements and finishes.

    `call` rises with every call of the session. `wait_s`: how long the hub may keep the call open.
    """

    call: int
    free_slots: list[int] = []
    holds: list[Held] = []
    acknowledge: list[Acknowledge] = []
    finish: list[Finish] = []
    wait_s: float = 0.0
    draining: bool = False


class Input(msgspec.Struct, kw_only=True):
    """One installed tree that $PREFIX holds; GET attempts/{id}/inputs/{digest} gives it as a tar."""

    module: str
    platform: str
    digest: str
    size_bytes: int


class Offer(msgspec.Struct, kw_only=True):
    """One attempt offered: to be acknowledged within `offer_s`, else it goes back.

    `source`: digest of the tar at GET attempts/{id}/source (a git tree's or a packed tree's; it unpacks to the
    working folder). `outputs`: which outputs to upload: "tree" (the installed tree), "worktree" (the working
    folder, packed), "source" (the working folder after a fetch), "artifacts" (what the patterns name).
    """

    attempt: str
    fence: str
    job: str
    build: str
    n: int
    slot: int
    kind: Literal["fetch", "build", "test"]
    module: str
    platform: str
    commands: list[str]
    environment: dict[str, str] = {}
    cores: int = 1
    memory_mb: int | None = None
    timeout_s: float = 1800.0
    network: Literal["none", "full"] = "none"
    retry: Literal["farm", "never"] = "farm"
    source: str = ""
    inputs: list[Input] = []
    outputs: list[str] = []
    artifacts: list[str] = []
    source_date_epoch: int = 315532800
    offer_s: float = 10.0


class Answered(msgspec.Struct, kw_only=True):
    """What became of one acknowledgement or finish that a poll carried: HTTP status and, if refused, why."""

    attempt: str
    status: int
    reason: str = ""


class Polled(msgspec.Struct, kw_only=True):
    """The answer to poll: all open offers of this machine, an order per attempt named, what became of the rest."""

    offers: list[Offer] = []
    orders: list[Ordered] = []
    acknowledged: list[Answered] = []
    finished: list[Answered] = []
    drain: bool = False


class Accepted(msgspec.Struct, kw_only=True):
    """The answer to acknowledge, renew and finish when they are accepted."""

    order: Order = "continue"
    reason: str = ""


class Refused(msgspec.Struct, kw_only=True):
    """The body of a 409: the caller's right has ended; it stops and uploads nothing more."""

    stop: bool = True
    reason: str = ""


class NextOffset(msgspec.Struct, kw_only=True):
    """The answer to POST attempts/{id}/log?offset=N: the offset that the hub expects next."""

    next: int
