"""A plan: the graph of jobs that a change would run, with what is reused and why."""

import msgspec

from penstock.model.job import JobSpec, Kind
from penstock.model.units import Size


class Unknown(msgspec.Struct, frozen=True, order=True):
    """Something in an input that was read but not understood: listed, never dropped silently."""

    file: str
    line: int
    what: str


class PlannedJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a plan.

    `id` is unique in the plan and stable between plans ("libpng:build@debian-12-gcc").
    `needs` are ids of the jobs that must have passed before this one starts, in order, without repeats.
    `key` is None where it depends on an output that does not exist yet.
    `reuse` is True when its result is already there; `reason` says why, or why not.
    `spec` is None where only the graph is known (a plan that cannot be run here, such as Qt's).
    """

    id: str
    kind: Kind
    module: str
    platform: str
    needs: tuple[str, ...] = ()
    size: Size = Size()
    key: str | None = None
    reuse: bool = False
    reason: str = ""
    spec: JobSpec | None = None


class Plan(msgspec.Struct, frozen=True):
    """All jobs of one build, parents before children, and what was not understood."""

    jobs: tuple[PlannedJob, ...]
    unknown: tuple[Unknown, ...] = ()
