"""A policy's answer: acts, each guarded by the versions that it was decided on, and reasons."""

import msgspec


class Reason(msgspec.Struct, frozen=True, order=True):
    """Why, or why not: `code` for programs (one word or two), `text` for people (a clause without a stop)."""

    code: str
    text: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Offer this job to this machine's slot, if both are still what they were when it was decided.

    `machine_version` counts on the placements before it in the same decision having been applied.
    """

    job: str
    job_version: int
    machine: str
    machine_version: int
    slot: int
    reason: str


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """Rent one more machine of this pool. `row`: what the policy calls it until it has a name."""

    pool: str
    row: int
    reason: str


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Wake this suspended machine."""

    machine: str
    reason: str


class Suspend(msgspec.Struct, frozen=True, kw_only=True):
    """Suspend this machine, if nothing runs there."""

    machine: str
    reason: str


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Give this machine back, if nothing runs there."""

    machine: str
    reason: str


Command = Place | Boot | Resume | Suspend | Delete
PowerCommand = Boot | Resume | Suspend | Delete


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now, in order: offers, then power. `left`: for the first job of each ask that found no place, why not.
    `wake_ms`: when to decide again though nothing else happens (farm time), None = no need."""

    places: tuple[Place, ...] = ()
    power: tuple[PowerCommand, ...] = ()
    left: tuple[tuple[str, Reason], ...] = ()
    wake_ms: int | None = None


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the capacity policy that was acted upon. `view` and `memory` are digests of what it was made
    from, `acts` what it said, as JSON; `at_ms` is farm time. `seq` is given by the store."""

    seq: int = 0
    at_ms: int = 0
    view: str = ""
    memory: str = ""
    acts: str = ""
    version: int = 0


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy has learnt, for who leads next: one row. `content` is the policy's own, `digest` is of it."""

    id: str = "capacity"
    at_ms: int = 0
    digest: str = ""
    content: bytes = b""
    version: int = 0


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What the capacity policy was told up to the decision `decided` (its `seq`, 0 where none was acted upon yet), so that
    it can be made once more; or, where it `begins`, what the policy knew before. `content` is the policy's own; `seq` is
    given by the store."""

    seq: int = 0
    at_ms: int = 0
    begins: bool = False
    decided: int = 0
    content: bytes = b""
    version: int = 0
