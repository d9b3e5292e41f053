"""From a folder that a person names to a plan: read `.penstock.yml`, find the sources, measure the platform."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock.agent.fingerprint import measure
from penstock.config.manifest import read_manifest
from penstock.forges.git import Git
from penstock.model.job import Source, Trust
from penstock.model.manifest import Manifest, ModuleAsk
from penstock.model.plan import Plan
from penstock.model.rules import Rules
from penstock.policy.planning import Given, plan

MANIFEST = ".penstock.yml"
MOST_MANIFEST_BYTES = 1 << 20


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for, found: the source and the plan of its jobs, before anything is looked up."""

    source: Source
    plan: Plan
    trust: Trust


def ask(folder: Path, dirty: bool, rules: Rules, git: Git, trust: Trust) -> Asked:
    """Read and plan `folder`. Raises Mistake, Mistakes, ForgeError or PlanningError for what is not right in it."""
    own = git.resolve(str(folder.absolute()), "HEAD", dirty)
    text = git.read_file(own, MANIFEST, MOST_MANIFEST_BYTES)
    manifest = read_manifest(text, str(folder / MANIFEST))
    sources = _sources(manifest, own, dirty, git)
    made = plan(manifest, rules.platforms, _identities(rules), sources, Given(trust=trust, klass="change"))
    return Asked(source=own, plan=made, trust=trust)


def _sources(manifest: Manifest, own: Source, dirty: bool, git: Git) -> dict[str, Source]:
    """The source of each module; one that several modules share is resolved once."""
    found: dict[tuple[str, str, str], Source] = {}
    for module in manifest.modules:
        place = _place(module, own)
        if place not in found:
            found[place] = git.resolve(place[0], place[1], dirty and not module.source.ref, place[2])
    return {module.name: found[_place(module, own)] for module in manifest.modules}


def _place(module: ModuleAsk, own: Source) -> tuple[str, str, str]:
    """(repository, ref, folder in it) of a module; a relative repository is relative to the one that asks."""
    asked = module.source
    if not asked.git:
        return own.repository, own.ref, asked.path
    local = "://" not in asked.git and not asked.git.partition("/")[0].count(":")
    repository = str((Path(own.repository) / asked.git).resolve()) if local else asked.git
    return repository, asked.ref or "HEAD", asked.path


def _identities(rules: Rules) -> Mapping[str, str]:
    """What each platform is here and now: local agents run on this machine, so it is what was measured of it."""
    measured = measure()
    return {
        name: measured if rule.image == "host" else f"{rule.image}@{measured}"
        for name, rule in rules.platforms.items()
    }
