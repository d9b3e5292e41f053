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


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now, in order. `left`: for the first job of each ask that found no place, why not.
    `wake_ms`: when to decide again though nothing else happens (farm time), None = no need."""

    places: tuple[Place, ...] = ()
    left: tuple[tuple[str, Reason], ...] = ()
    wake_ms: int | None = None
