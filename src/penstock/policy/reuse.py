"""Keys: the digest of everything that goes into a job, and what an archive that knows a key means for it.

The contract is `Key` in docs/reference/penstock-yml.md.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from penstock.model.artifact import Failure, Module
from penstock.model.job import TRUSTS, JobSpec, Trust
from penstock.model.states import ModuleState

RECIPE_VERSION = 1
"""Raised whenever the way that jobs are run changes what they can produce."""

PrefixPart = tuple[str, str, str]
"""(module, platform, output digest) of one installed tree that $PREFIX holds."""


def key_of(spec: JobSpec, prefix: Iterable[PrefixPart], source_digest: str) -> str:
    """The key of one job, "sha256:<hex>".

    `prefix`: everything that $PREFIX will hold, in any order, the module's own output included for a test.
    `source_digest`: of the source tree, of what a fetch left, or, for a test from the build, the build's key.
    Time limits, sizes, class and priority are not in it: they cannot change what comes out. Of secrets it holds the names,
    never the values: a new value builds nothing again.
    """
    material: dict[str, object] = {
        "recipe": RECIPE_VERSION,
        "kind": spec.kind,
        "platform": spec.identity,
        "name": spec.platform,
        "source": [spec.source_from, source_digest],
        "commands": spec.commands,
        "environment": sorted(spec.environment.items()),
        "artifacts": spec.artifacts,
        "network": spec.network,
        "keeps": spec.keep_worktree,
        "prefix": sorted(set(prefix)),
    }
    if spec.secrets:
        material["secrets"] = sorted(spec.secrets)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(material)).hexdigest()


def readable(trust: Trust) -> tuple[Trust, ...]:
    """The levels that a job of this trust may read: its own, then those above; never one below (I11)."""
    return TRUSTS[TRUSTS.index(trust) :]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the archive says of a key: exactly one of the first three, or none of them (then it must run).

    `module`: reuse it. `producer`: another job makes it now, wait for it. `failure`: it failed before.
    """

    module: Module | None = None
    producer: Module | None = None
    failure: Failure | None = None
    reason: str = ""


def reusable(spec: JobSpec) -> bool:
    """True when what this job makes may stand in for a later run of the same key."""
    if spec.kind == "fetch" or spec.reuse == "never":
        return False
    return spec.network == "none" or spec.reuse_for_ms is not None


def answer(
    spec: JobSpec, modules: Sequence[Module], failure: Failure | None, now_ms: int, automatic: bool
) -> Answer:
    """What a job of `spec` is to do, given what is known of its key at the levels it may read.

    `modules`: at most one per level, own level first; one of a level below is left aside (I11). `now_ms`: wall
    clock, for expiry.
    """
    if not reusable(spec):
        return Answer(reason="never reused: " + _why_never(spec))
    modules = [module for module in modules if module.trust in readable(spec.trust)]
    for module in modules:
        fresh = not module.expires_ms or now_ms < module.expires_ms
        if module.state in (ModuleState.VERIFIED, ModuleState.PUBLISHED) and fresh:
            return Answer(module=module, reason=f"same key as {module.producer}")
    if failure and now_ms < failure.until_ms and (automatic or spec.reuse == "all"):
        return Answer(failure=failure, reason=f"failed before as {failure.job}: {failure.reason}")
    for module in modules:
        if module.state == ModuleState.BUILDING and module.trust == spec.trust:
            return Answer(producer=module, reason=f"{module.producer} makes the same key now")
    return Answer(reason="nothing in the archive has its key")


def _why_never(spec: JobSpec) -> str:
    if spec.kind == "fetch":
        return "a fetch brings what is there today"
    if spec.reuse == "never":
        return "reuse: never"
    return "it has the network and no reuse_for"
