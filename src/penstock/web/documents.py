"""The documents of the people's API, as types: what the OpenAPI description says of them is made from these.

Documents are made by hub.views and reports; tests hold them to these types. Moments (`_s`) are seconds since 1970 in
UTC, durations (`_s`) seconds; money is a decimal string.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from penstock.hub.explain import About
from penstock.hub.outlook import Outlook
from penstock.model.artifact import Failure, Module
from penstock.model.invariants import Violation
from penstock.model.people import Role
from penstock.model.states import AttemptState, BuildState, Health, JobState, Power

END = r"$(?!\n)"
"""The end of a text and nothing else; without the rest Python also takes the place before a last line end."""
Id = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,79}}{END}", examples=["3kq9z2-0001"])]
KeyName = Annotated[
    str,
    Meta(
        pattern=rf"^(untrusted|trusted) sha256:[0-9a-f]{{64}}{END}",
        description="A level of trust and a key, with a space between.",
        examples=["trusted sha256:" + "0" * 64],
    ),
]
OutputName = Annotated[str, Meta(pattern=rf"^(tree|worktree|source|artifacts){END}", examples=["tree"])]
UserName = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._@+-]{{0,63}}{END}", examples=["ada"])]
TokenName = Annotated[
    str, Meta(pattern=rf"^([A-Za-z0-9][A-Za-z0-9._@+-]{{0,63}})?{END}", examples=["laptop"])
]
Text = Annotated[str, Meta(max_length=500, pattern=rf"^[^\x00-\x1f\x7f]*{END}")]
Offset = Annotated[int, Meta(ge=0, le=1 << 53)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Kind = Annotated[str, Meta(pattern=rf"^[a-z][a-z_-]{{0,29}}{END}", examples=["job"])]


class Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What all documents are: objects with these fields and no others."""


T = TypeVar("T")


def chosen(value: T | UnsetType) -> T | None:
    """A parameter that may be left out, or None where it was."""
    return None if isinstance(value, UnsetType) else value


class Problem(Document):
    """Why a call was refused, in one line for people."""

    reason: str


class NotNow(Document):
    """Why a call cannot be answered now. `address`: the farm has moved there, else it is left out."""

    reason: str
    address: str = ""


# What is asked ------------------------------------------------------------------------------------------------


class Nothing(Document):
    """No parameters."""


class Page(Document):
    """Which part of a long list: at most `limit` lines, after the one that `next` of the page before named."""

    limit: Limit = 100
    after: Id | UnsetType = UNSET


class LogPlace(Document):
    """Where to begin, in bytes."""

    offset: Offset = 0


class Why(Document):
    """Why a person does it; shown wherever that is shown."""

    reason: Text = ""


class NewToken(Document):
    """A token to be made: for an agent of `pool`, good once and for a day; or for a `user` with a `role`.

    `valid_ms`: how long a user's is good, in farm time; 0 = until it is revoked.
    """

    pool: Annotated[str, Meta(max_length=100)] = ""
    user: Annotated[str, Meta(max_length=64)] = ""
    role: Role | None = None
    name: TokenName = ""
    valid_ms: Annotated[int, Meta(ge=0, le=315_360_000_000)] = 0


class NamedSo(Document):
    """Which of a user's tokens."""

    name: TokenName = ""


class WhichTokens(Document):
    """The tokens of a user by their name."""

    user: UserName
    name: TokenName = ""


# Builds and jobs ----------------------------------------------------------------------------------------------


class Totals(Document):
    """How many jobs ended how; built = ran and passed."""

    built: int
    reused: int
    failed: int
    error: int
    blocked: int


class BuildLine(Document):
    """One build. `open` counts its jobs that have not ended."""

    id: str
    source: str
    state: BuildState
    reason: str
    created_s: float
    ended_s: float | None
    jobs: int
    open: int
    totals: Totals


class Builds(Document):
    """The newest builds first. `next` is the `after` of the next page, null on the last one."""

    builds: list[BuildLine]
    next: str | None = None


class ResultLine(Document):
    """One job of a build's result. `waited_s` from when it could start to its first start, `ran_s` of all attempts."""

    id: str
    module: str
    platform: str
    kind: str
    result: str
    attempts: int
    waited_s: float
    ran_s: float
    cost: str
    currency: str
    key: str | None
    reason: str


class BuildResult(Document):
    """One build with the result of each job."""

    schema: Literal[1]
    build: str
    state: BuildState
    passed: bool
    totals: Totals
    jobs: list[ResultLine]


class AttemptLine(Document):
    """One try at a job. `n` counts from 1; `fence` is what its agent proves its right with, good for nothing else."""

    id: str
    n: int
    fence: str
    machine: str
    pool: str
    state: AttemptState
    cause: str
    offered_s: float | None
    started_s: float | None
    ended_s: float | None
    cpu_s: float | None
    memory_peak_mb: int | None


class JobLine(Document):
    """One job with its attempts."""

    id: str
    build: str
    module: str
    platform: str
    kind: str
    state: JobState
    reason: str
    submitted_s: float
    ready_s: float | None
    attempts: list[AttemptLine]


class Jobs(Document):
    """Jobs in the order of their builds and plans. `next` is the `after` of the next page, null on the last one."""

    jobs: list[JobLine]
    next: str | None = None


class Explained(Document):
    """Why a job is where it is, and what will move it: for people in sentences, for programs as reasons."""

    job: JobLine
    state: JobState
    sentences: list[str]
    reasons: list[About]
    expected: Outlook | None


class LogPiece(Document):
    """Bytes of the newest attempt's log, as hex digits; a log may hold any bytes. `ended`: nothing will follow."""

    hex: str
    ended: bool


class File(Document):
    """One file of an output."""

    name: str
    size_bytes: int


class OutputLine(Document):
    """One output of a job. `cut`: there are more files than are named."""

    name: str
    digest: str
    size_bytes: int
    files: list[File]
    cut: bool


class Outputs(Document):
    """What a job made."""

    outputs: list[OutputLine]


# The farm -----------------------------------------------------------------------------------------------------


class MachineLine(Document):
    """One machine. `running` are the ids of jobs, `busy` slots that are held. `why` its power is what it is, `next`: what
    happens to it next. `offer`: what it was made from, "" where nobody ordered it. `cost`: since it is metered, `age_s` ago, up to
    now. `silent_s`: since its agent was heard."""

    id: str
    name: str
    pool: str
    provider: str
    power: Power
    session: str
    silent_s: float | None
    health: Health
    reason: str
    sandbox: str
    trust: list[str]
    platforms: list[str]
    agent: str
    slots: int
    busy: int
    cores: int
    memory_mb: int | None
    offer: str
    price_per_hour: str
    running: list[str]
    why: str
    next: str
    age_s: float | None
    cost: str | None


class Machines(Document):
    """All machines that are not gone, of every provider; `notes`: what is to be said of whole pools."""

    currency: str
    notes: list[About]
    machines: list[MachineLine]


class PoolLine(Document):
    """One pool of farm.toml. `machines` by power, `running`: slots that are held; why and how long a person stopped it; notes."""

    name: str
    provider: str
    machines: dict[str, int]
    running: int
    stopped: bool
    stopped_for_s: float | None
    reason: str
    notes: list[About]


class Pools(Document):
    """All pools, in the order of farm.toml."""

    pools: list[PoolLine]


class Violations(Document):
    """What is not as it must be; empty when all is well."""

    violations: list[Violation]


class Known(Document):
    """What the archive has of a key: modules that may be read at that level of trust, and a remembered failure."""

    modules: list[Module]
    failure: Failure | None


class Done(Document):
    """Whether anything was changed, and what was done, as a sentence. `build` is the new one of a retry."""

    done: bool
    said: str
    build: str | None = None


class Submitted(Document):
    """The build that answers a submission. `warnings`: for each platform with jobs that no machine and no pool of the
    farm could ever take, as it is now, a sentence on why; such jobs wait until that changes or they expire."""

    build: str
    warnings: list[str] = []


class TokenLine(Document):
    """One token, without its secret. `ends_s`: when it expires, as far as that can be foretold, null = never: it is
    counted in farm time, which stands still while nobody leads."""

    user: str
    name: str
    role: Role
    created_s: float
    ends_s: float | None
    revoked: bool


class Tokens(Document):
    """All tokens that were made."""

    tokens: list[TokenLine]


class MadeToken(Document):
    """A new token. Its secret is shown here and never again."""

    token: str


class Revoked(Document):
    """How many tokens were revoked now."""

    revoked: int


class EventLine(Document):
    """One thing that happened. `position` rises by one from event to event and is never given twice."""

    position: int
    at_s: float
    kind: str
    state: str
    reason: str
    build: str
    job: str
    attempt: str
    machine: str


class Events(Document):
    """Events by position. `next` is the `after` of the next page, `oldest` and `newest` what is kept."""

    events: list[EventLine]
    next: int
    oldest: int
    newest: int
