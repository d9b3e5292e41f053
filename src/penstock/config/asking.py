"""From a folder that a person names to a plan: read `.penstock.yml`, find the sources, measure the platform."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock.agent import fingerprint
from penstock.config.manifest import read_manifest
from penstock.forges.git import Git
from penstock.model.job import Source, Trust
from penstock.model.machine import Machine
from penstock.model.manifest import Manifest, SourceAsk
from penstock.model.plan import Plan
from penstock.model.rules import Pool, Rules
from penstock.model.snapshot import Ask, PoolFacts, Snapshot
from penstock.model.states import Power
from penstock.model.units import Size
from penstock.policy.planning import Given, PlanningError, plan
from penstock.policy.secrets import refuse_secrets
from penstock.policy.suitability import refusals

MANIFEST = ".penstock.yml"
MOST_MANIFEST_BYTES = 1 << 20
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*:|[^/]+@[^/]+:", re.I)
"""How an address of another machine begins: a protocol, or user@host: as ssh has it."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for, found: the source and the plan of its jobs, before anything is looked up.

    `branch` is what the folder has checked out. `identity` is the measured fingerprint of this machine. `file` is where it was asked, `lines` where each module stands in it; `sandbox` is how commands will be run.
    """

    source: Source
    plan: Plan
    trust: Trust
    sandbox: str
    identity: str
    file: str
    lines: Mapping[str, int]
    branch: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository asks for: its manifest, and the source of each module by name.

    `ref`: the full ref that it was read from, as the repository of another machine itself lists it; else "".
    """

    source: Source
    ref: str = ""
    manifest: Manifest
    sources: Mapping[str, Source]


def find(git: Git, start: Source, shown: str = "", dirty: bool = False) -> Found:
    """Read what `start` (repository, ref, path) asks for, and find all its sources. `shown` is what lines about its
    manifest name it by. Raises Mistakes, ForgeError."""
    own, full = git.named(start.repository, start.ref, dirty, start.path)
    text = git.read_file(own, MANIFEST, MOST_MANIFEST_BYTES)
    manifest = read_manifest(text, shown or f"{start.repository} {MANIFEST}")
    return Found(source=own, ref=full, manifest=manifest, sources=_sources(manifest, own, dirty, git))


def ask(folder: Path, dirty: bool, rules: Rules, git: Git, sandboxed: bool = True) -> Asked:
    """Read and plan `folder` for the local user, who is trusted as long as there is a sandbox. Raises Mistake, Mistakes, ForgeError or PlanningError for what is not right in it."""
    found = find(git, Source(repository=str(folder.absolute())), str(folder / MANIFEST), dirty)
    trust: Trust = "trusted" if sandboxed else "untrusted"
    measured = fingerprint.measure()
    given = Given(trust=trust, klass="change")
    made = plan(found.manifest, rules.platforms, _identities(rules, measured), found.sources, given)
    refuse_secrets(found.manifest, made, rules.secrets, None)
    return Asked(
        source=found.source,
        plan=made,
        trust=trust,
        sandbox="bubblewrap" if sandboxed else "plain",
        identity=measured,
        file=found.manifest.file,
        lines={module.name: module.line for module in found.manifest.modules},
        branch=git.branch(found.source.repository),
    )


def _sources(manifest: Manifest, own: Source, dirty: bool, git: Git) -> dict[str, Source]:
    """The source of each module; what several modules share is resolved once."""
    found: dict[SourceAsk, Source] = {}
    for module in manifest.modules:
        if module.source not in found:
            found[module.source] = _source(module.source, own, dirty, git)
    return {module.name: found[module.source] for module in manifest.modules}


def _source(asked: SourceAsk, own: Source, dirty: bool, git: Git) -> Source:
    """A folder of the repository that asks, as it was resolved already, or another repository.

    A relative folder counts from the one that asks. `dirty` takes the working tree of repositories on this machine
    that no ref is asked of.
    """
    if not asked.git:
        return git.inside(own, asked.path)
    remote = REMOTE.match(asked.git) is not None
    repository = asked.git if remote else str((Path(own.repository) / asked.git).resolve())
    return git.resolve(repository, asked.ref or "HEAD", dirty and not remote and not asked.ref, asked.path)


def refuse_what_nobody_takes(asked: Asked, rules: Rules) -> None:
    """Before anything runs: every job must have a local machine that could take it. Raises PlanningError.

    Else it would wait for its deadline: a build in this process gets no other machines than its own.
    """
    local = [pool for pool in rules.pools if pool.provider == "local"]
    machines = [_machine_of(pool, asked.sandbox) for pool in local]
    facts = {
        pool.name: PoolFacts(name=pool.name, classes=pool.classes, hub_only=pool.closed) for pool in local
    }
    here = Snapshot(now_ms=0, machines=tuple(machines), pools=facts)
    for job in asked.plan.jobs:
        assert job.spec is not None
        spec = job.spec
        like = Ask(
            spec.platform,
            spec.identity,
            spec.trust,
            spec.klass,
            spec.size,
            secrets=bool(spec.secrets),
            network=spec.network,
        )
        why = [refusals(like, machine, here) for machine in machines]
        if not all(why):
            continue
        said = "; ".join(f"{m.name}: {found[0].text}" for m, found in zip(machines, why, strict=True))
        what = f"no pool of provider local takes {job.id}: {said or 'farm.toml has none'}"
        raise PlanningError(asked.file, asked.lines.get(job.module, 1), what, "change one of the two")


def _machine_of(pool: Pool, sandbox: str) -> Machine:
    """A machine of a local pool as its agent will register it."""
    memory_mb = fingerprint.memory_mb()
    return Machine(
        id=pool.name,
        name=pool.name,
        pool=pool.name,
        platforms=pool.platforms,
        trust=pool.trust,
        has=pool.size or Size(fingerprint.cores(), memory_mb),
        sized=pool.size is not None or memory_mb is not None,
        sandbox=sandbox,
        power=Power.UP,
        accepting=True,
    )


def _identities(rules: Rules, measured: str) -> Mapping[str, str]:
    """What each platform is here and now: local agents run on this machine, so it is what was measured of it."""
    return {
        name: measured if rule.image == "host" else f"{rule.image}@{measured}"
        for name, rule in rules.platforms.items()
    }
