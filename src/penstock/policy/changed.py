"""What a change of some modules rebuilds, in a plan whose outputs are not known: the modules, and all behind them."""

import difflib
from collections.abc import Collection, Iterable

import msgspec

from penstock.model.plan import Plan, PlannedJob


class UnknownModule(ValueError):
    """A module was named that has no job in the plan."""


def mark_changed(plan: Plan, changed: Collection[str]) -> Plan:
    """The plan with `reuse` and `reason` of every job as if only the modules `changed` were new.

    A job is reused when neither its module nor anything that it needs, transitively, changed; else the reason
    names the shortest path to what did. O(jobs + needs); the plan's order, parents first, is relied on.
    Raises UnknownModule for a module that has no job in the plan, naming those that are written like it.
    """
    _refuse_unknown(plan, changed)
    paths: dict[str, tuple[PlannedJob, ...]] = {}
    marked = []
    for job in plan.jobs:
        if job.module in changed:
            paths[job.id] = (job,)
        elif behind := [paths[need] for need in job.needs if need in paths]:
            paths[job.id] = (job, *min(behind, key=len))
        marked.append(_marked(job, paths.get(job.id)))
    return msgspec.structs.replace(plan, jobs=tuple(marked))


def _marked(job: PlannedJob, path: tuple[PlannedJob, ...] | None) -> PlannedJob:
    """The job as it comes out, by its path to a change: itself first, a job of a changed module last."""
    if path is None:
        reason = f"reused: neither {job.module} nor anything that this needs changes"
        return msgspec.structs.replace(job, reuse=True, reason=reason)
    if len(path) == 1:
        return msgspec.structs.replace(job, reuse=False, reason=f"{job.module} changes")
    steps = [f"needs {need.module} {need.kind} on {need.platform}" for need in path[1:]]
    return msgspec.structs.replace(job, reuse=False, reason=", which ".join([*steps, "changes"]))


def _refuse_unknown(plan: Plan, changed: Iterable[str]) -> None:
    """Raise UnknownModule for the first name that is no module of the plan."""
    modules = sorted({job.module for job in plan.jobs})
    for name in changed:
        if name not in modules:
            near = difflib.get_close_matches(name, modules) or modules[:5]
            raise UnknownModule(f"no module {name!r} in the plan; near it: {', '.join(near) or 'none'}")
