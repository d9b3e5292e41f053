"""Plans as documents and as sentences."""

from typing import Any

from penstock.model.plan import Plan, PlannedJob


def plan_totals(plan: Plan) -> dict[str, int]:
    """Jobs by kind, modules and platforms that have a job, and what is reused."""
    kinds = [job.kind for job in plan.jobs]
    return {
        "jobs": len(kinds),
        "build": kinds.count("build"),
        "test": kinds.count("test"),
        "modules": len({job.module for job in plan.jobs}),
        "platforms": len({job.platform for job in plan.jobs}),
        "reused": sum(job.reuse for job in plan.jobs),
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """`penstock plan --json`."""
    return {
        "schema": 1,
        "jobs": [_job(job) for job in plan.jobs],
        "totals": plan_totals(plan),
        "unknown": [{"file": u.file, "line": u.line, "what": u.what} for u in plan.unknown],
    }


def _job(job: PlannedJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "module": job.module,
        "platform": job.platform,
        "kind": job.kind,
        "key": job.key,
        "needs": list(job.needs),
        "size": {"cores": job.size.cores, "memory_mb": job.size.memory_mb},
        "reuse": job.reuse,
        "reason": job.reason,
    }
