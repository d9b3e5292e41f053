"""Which jobs may be given which secrets. Decided when a change is planned: a repository can ask, the farm says who gets it."""

from collections.abc import Mapping

from penstock.model.job import JobSpec
from penstock.model.manifest import Manifest
from penstock.model.plan import Plan
from penstock.model.secret import Secret
from penstock.policy.admission import REFS, Facts, alike
from penstock.policy.planning import PlanningError


def refuse_secrets(
    manifest: Manifest, plan: Plan, secrets: Mapping[str, Secret], facts: Facts | None
) -> None:
    """Raise PlanningError for the first secret that a job asks for and may not have.

    `facts`: what is known of the change; None for the local user of this machine, who reads the files himself: then
    only the job's trust counts.
    """
    lines = {module.name: module.line for module in manifest.modules}
    for job in plan.jobs:
        for name in job.spec.secrets if job.spec is not None else ():
            assert job.spec is not None
            what, instead = _refusal(job.spec, name, secrets, facts)
            if what:
                told = f"{job.id} asks for secret {name}, {what}"
                raise PlanningError(manifest.file, lines.get(job.module, 1), told, instead)


def given_now(spec: JobSpec, name: str, secrets: Mapping[str, Secret]) -> bool:
    """True when a job that was planned with this secret may still be given it."""
    return name in spec.secrets and name in secrets and spec.trust == "trusted"


def _refusal(spec: JobSpec, name: str, secrets: Mapping[str, Secret], facts: Facts | None) -> tuple[str, str]:
    """Why this job may not have it, and what to do instead; ("", "") when it may."""
    if spec.trust != "trusted":
        return "and is not trusted", "secrets are for trusted jobs alone: leave it out"
    secret = secrets.get(name)
    if secret is None:
        return "which the farm does not have", f"add [secret.{name}] to farm.toml, or leave it out"
    if facts is None:
        return "", ""
    if secret.projects and facts.project not in secret.projects:
        return "which is for other projects", "submit it from a repository of such a project"
    if secret.branches and not any(_on(pattern, facts) for pattern in secret.branches):
        return "which is for other branches", "submit it from such a branch of the project's own repository"
    if secret.classes and spec.klass not in secret.classes:
        return f"which jobs of class {spec.klass} do not get", "ask for it in a job of such a class"
    return "", ""


def _on(pattern: str, facts: Facts) -> bool:
    """As a rule's pattern for a branch: one that begins with refs/ means full names."""
    return alike(pattern, facts.ref if pattern.startswith(REFS) else facts.branch)
