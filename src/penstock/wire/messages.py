"""What hub and agent say to each other, version 1. The agent sends and reads the same shapes as plain JSON.

All calls are POST with a JSON body below /api/v1/agent unless said otherwise, with `Authorization: Bearer`.
Raw bodies (log, outputs) carry the fence in the header `X-Penstock-Fence`. Unknown fields are ignored by both
sides, so that hub and agents can be one release apart. Durations in these messages are seconds (`_s`) because
people read them; sizes are bytes or megabytes as their names say.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PROTOCOL = 1
FENCE_HEADER = "X-Penstock-Fence"

Order = Literal["continue", "stop", "drain"]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
"""A number that every JSON reader and every database can hold."""
Few = Annotated[int, Meta(ge=1, le=1 << 20)]
Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", examples=["ab" * 32])]
Result = Literal["passed", "failed", "timed_out", "cancelled", "refused", "preempted"]


class Held(msgspec.Struct, kw_only=True):
    """One attempt that the agent holds, and the first of its log bytes that the hub may not have."""

    attempt: str
    fence: str
    state: Literal["offered", "running", "finishing"] = "running"


class Register(msgspec.Struct, kw_only=True):
    """POST register, with an enrolment token or a machine credential. Ends the machine's older session.

    `key`: 64 hex digits made by the agent once and kept; `knows`: fields of offers that it obeys and that older agents ignore, as
    far as the hub must know it ("forward"); `identity`: the measured fingerprint of the platform. `document`:
    what the machine's provider tells it about itself, such as EC2's instance identity document; `signature`: the provider's
    under it. `draining`, `unclean`: as in a poll, so that nothing is offered before the first one.
    """

    protocol: Count = PROTOCOL
    name: str
    key: Key
    slots: Few = 1
    cores: Few = 1
    memory_mb: Few | None = None
    identity: str = ""
    sandbox: Literal["bubblewrap", "plain"] = "bubblewrap"
    version: str = ""
    holds: list[Held] = []
    document: Annotated[str, Meta(max_length=16_384)] = ""
    signature: Annotated[str, Meta(max_length=16_384)] = ""
    draining: bool = False
    unclean: str = ""
    knows: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)] = []


class Ordered(msgspec.Struct, kw_only=True):
    """What the agent is to do with one attempt that it named."""

    attempt: str
    order: Order
    reason: str = ""


class Registered(msgspec.Struct, kw_only=True):
    """The answer to register. `credential` is given once, at enrolment; later calls use `token`.

    `direct`: the hub gives tickets for outputs (see Ticket). `finish_log_bytes`: so much log a finish may carry.
    `release` is the hub's; `agent_file` the path of the agent that it serves, `agent_digest` that file's sha256.
    `address`: where this farm will be found from now on; "" = where it was. `power_off`: the machine is to sleep, and can only
    be woken from here: its agent switches it off. `clean_after`: so many jobs later it is to be cleaned, 0 = never.
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
    finish_log_bytes: int = 0
    release: str = ""
    agent_file: str = ""
    agent_digest: str = ""
    address: str = ""
    power_off: bool = False
    clean_after: int = 0


class Acknowledge(msgspec.Struct, kw_only=True):
    """POST attempts/{id}/acknowledge: the offer is taken; from now the right runs."""

    attempt: str
    fence: str


class Used(msgspec.Struct, kw_only=True):
    """What an attempt used; None where it could not be measured."""

    wall_ms: Count = 0
    held_ms: Count = 0
    fetch_ms: Count | None = None
    cpu_ms: Count | None = None
    memory_peak_mb: Count | None = None
    measured_by: str = ""


class Uploaded(msgspec.Struct, kw_only=True):
    """One output that the agent uploaded: "tree", "worktree", "source" or "artifacts"."""

    name: str
    digest: str
    size_bytes: Count


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


class SecretValue(msgspec.Struct, kw_only=True):
    """The answer to GET attempts/{id}/secrets/{name}. `value`: base64 of it. Keep it in memory, and out of the log."""

    name: str
    value: str


class Finish(msgspec.Struct, kw_only=True):
    """POST attempts/{id}/finish: how the attempt ended.

    `passed`, `failed`, `timed_out`: the job's own verdict. `refused`: the machine could not do it (`cause` says
    why: disk full, inputs that cannot be fetched); it is charged to the farm and tried elsewhere.
    `remember` is False for failures that say nothing about the code (signals, memory, disk, network).
    `log`: base64 of the log from `log_offset` to its end, for a short one that was not sent otherwise; at most
    `Registered.finish_log_bytes` of it.
    """

    attempt: str
    fence: str
    result: Result
    cause: str = ""
    exit_code: Annotated[int, Meta(ge=-(1 << 31), le=1 << 32)] | None = None
    remember: bool = True
    log_bytes: Count = 0
    outputs: list[Uploaded] = []
    used: Used = msgspec.field(default_factory=Used)
    log: str = ""
    log_offset: Count = 0


class Trouble(msgspec.Struct, kw_only=True):
    """Downloads from one host that failed since the last poll that was answered."""

    host: str
    what: str = ""
    count: Count = 1


class Poll(msgspec.Struct, kw_only=True):
    """POST poll: says the free slots, names and so renews all that is held, carries acknowledgements and finishes.

    `call` rises with every call of the session. `wait_s`: how long the hub may keep the call open. `leaves_in_s`: the
    machine's provider has told it that it will be taken away then; what runs there is begun elsewhere at once. `unclean`: why
    the machine could not be cleaned, "" = it could, or need not be.
    """

    call: Count
    free_slots: list[Count] = []
    holds: list[Held] = []
    acknowledge: list[Acknowledge] = []
    finish: list[Finish] = []
    wait_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    draining: bool = False
    trouble: list[Trouble] = []
    leaves_in_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    unclean: str = ""


class Input(msgspec.Struct, kw_only=True):
    """One installed tree that $PREFIX holds; GET attempts/{id}/inputs/{digest} gives it as a tar."""

    module: str
    platform: str
    digest: str
    size_bytes: int


class GitSource(msgspec.Struct, kw_only=True):
    """A public repository that holds the source: an agent with git may take it from there.

    The tree is right when its digest is the offer's `source_key`; the agent falls back to the hub on any doubt.
    """

    url: str
    commit: str
    tree: str
    path: str = "."


class Offer(msgspec.Struct, kw_only=True):
    """One attempt offered: to be acknowledged within `offer_s`, else it goes back.

    `source`: digest of the tar at GET attempts/{id}/source (a git tree's or a packed tree's; it unpacks to the
    working folder). `outputs`: which outputs to upload: "tree" (the installed tree), "worktree" (the working
    folder, packed), "source" (the working folder after a fetch), "artifacts" (what the patterns name).
    `source_key`: where there is no digest of a tar, the digest of the source's files, as it is in keys: equal key,
    equal working folder. `secrets`: names of those to be fetched once it is acknowledged, and put as files below $SECRETS.
    `forward`: the machine reaches only the hub, and the commands what GET attempts/{id}/forward leads to.
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
    forward: bool = False
    retry: Literal["farm", "never"] = "farm"
    source: str = ""
    source_key: str = ""
    git: GitSource | None = None
    inputs: list[Input] = []
    outputs: list[str] = []
    artifacts: list[str] = []
    secrets: list[str] = []
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
    address: str = ""


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
