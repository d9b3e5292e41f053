"""Closes builds that have no open job any more."""

from collections.abc import Iterable
from functools import partial

import msgspec

from penstock.hub.context import Hub
from penstock.hub.steps import Step, lead_all, look
from penstock.model.change import Build
from penstock.model.farm import Farm
from penstock.model.job import Job
from penstock.model.states import BUILD
from penstock.model.states import step as check
from penstock.policy.verdict import verdict
from penstock.ports import Tx


def run_once(hub: Hub, now_ms: int, builds: Iterable[str] | None = None) -> dict[str, int]:
    """Give open builds without open jobs of their own their verdict: these, or all."""

    def done(tx: Tx, farm: Farm) -> list[str]:
        names = [build.id for build in tx.find(Build, "open", True)] if builds is None else sorted(builds)
        return [name for name in names if not _runs(tx, name)]

    found = look(hub, done) if builds is None or builds else []
    return {"closed": sum(lead_all(hub, [partial(_close, build_id=one) for one in found]))}


def _runs(tx: Tx, build_id: str) -> bool:
    """True while a job that the build still wants is open. Reads one job in nearly all cases."""
    first = tx.find(Job, "build", build_id, True, limit=1)
    if not first or first[0].wanted:
        return bool(first)
    return any(job.wanted for job in tx.find(Job, "build", build_id, True))


def _close(step: Step, build_id: str) -> bool:
    build = step.need(Build, build_id)
    if not build.open or _runs(step.tx, build_id):
        return False
    state, reason = verdict(step.tx.find(Job, "build", build_id))
    check(BUILD, build.state, state)
    closed = msgspec.structs.replace(build, state=state, reason=reason, open=False, ended_ms=step.wall_ms)
    step.tell_build(step.put(closed))
    step.woken.add(f"build:{build_id}")
    return True
