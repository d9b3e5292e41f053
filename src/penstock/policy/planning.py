"""From what a repository asks for to the graph of jobs that answers it.

Per module and platform a build; before it a fetch where one is asked for, after it a test. The contract is
docs/reference/penstock-yml.md. Pure: sources are resolved and platforms measured before.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from penstock.model.graph import cycles, order
from penstock.model.job import TRUSTS, JobSpec, Kind, Source, Trust
from penstock.model.manifest import AskedTest, Manifest, ModuleAsk, Need
from penstock.model.plan import Plan, PlannedJob
from penstock.model.rules import Platform

CLASSES = ("nightly", "try", "change", "interactive", "release", "security")
"""Classes of jobs from low to high; a repository may ask for one below what its change was given."""

ASKED_CLASSES = ("change", "try", "nightly", "release")
"""The classes that a repository may name."""


class PlanningError(Exception):
    """What a repository asks for cannot be planned: where it says so, what is wrong, what to write instead."""

    def __init__(self, file: str, line: int, what: str, instead: str = "") -> None:
        super().__init__(file, line, what, instead)
        self.file, self.line, self.what, self.instead = file, line, what, instead

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" + (f"; {self.instead}" if self.instead else "")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a change was given by the rules of the farm: the most that its repository can ask for.

    `pools`: those that its jobs may use, empty = all."""

    trust: Trust = "untrusted"
    klass: str = "change"
    pools: tuple[str, ...] = ()


class _Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What all modules of a plan are planned on.

    `trusts`: each module's, after what it is built from. `built`: for each module planned so far, by platform,
    its pair (module, platform) and the id of its build, made once and shared by all that need it.
    """

    platforms: Mapping[str, Platform]
    identities: Mapping[str, str]
    sources: Mapping[str, Source]
    given: Given
    trusts: Mapping[str, Trust]
    built: dict[str, dict[str, tuple[tuple[str, str], str]]]


def plan(
    manifest: Manifest,
    platforms: Mapping[str, Platform],
    identities: Mapping[str, str],
    sources: Mapping[str, Source],
    given: Given,
) -> Plan:
    """The jobs of a manifest, parents before children, otherwise in the order of the file.

    `identities`: for each platform its image digest or measured fingerprint, missing where it is not known yet.
    `sources`: for each module its source tree. O(jobs + needs). Raises PlanningError for the first mistake.
    """
    modules = {module.name: module for module in manifest.modules}
    for module in manifest.modules:
        _check(manifest.file, module, modules, platforms)
        if module.name not in sources:
            raise PlanningError(
                manifest.file, module.line, f"the source of module {module.name} was not found"
            )
    ordered = _ordered(manifest.file, modules)
    ground = _Ground(
        platforms=platforms,
        identities=identities,
        sources=sources,
        given=given,
        trusts=_trusts(ordered, given.trust),
        built={},
    )
    return Plan(tuple(job for module in ordered for job in _jobs(module, ground)))


def job_id(module: str, kind: str, platform: str) -> str:
    """The id of a planned job, "libpng:build@debian-12-gcc"."""
    return f"{module}:{kind}@{platform}"


def lower_class(given: str, asked: str | None) -> str:
    """The class that a job gets: what it asks for, where that is not above what was given."""
    if asked is None or asked not in CLASSES or given not in CLASSES:
        return given
    return min(given, asked, key=CLASSES.index)


def _check(
    file: str, module: ModuleAsk, modules: Mapping[str, ModuleAsk], platforms: Mapping[str, Platform]
) -> None:
    """Raise PlanningError when a module names a platform or a module that is not there."""
    for platform in module.platforms:
        if platform not in platforms:
            what = f"module {module.name} is for platform {platform!r}, which the farm does not have"
            raise PlanningError(file, module.line, what, _nearest(platform, platforms))
    for need in module.needs:
        needed = modules.get(need.module)
        if needed is None:
            what = f"module {module.name} needs {need.module!r}, which is no module"
            raise PlanningError(file, module.line, what, _nearest(need.module, modules))
        for platform in _lacking(module, need, needed):
            what = f"module {module.name} needs {need.module} on {platform}, which {need.module} is not built for"
            raise PlanningError(file, module.line, what, f"add {platform} to the platforms of {need.module}")


def _lacking(module: ModuleAsk, need: Need, needed: ModuleAsk) -> Iterator[str]:
    """The platforms on which `module` needs `needed`, but `needed` is not built."""
    if needed.platforms == module.platforms and not need.platform:
        return
    for platform in (need.platform,) if need.platform else module.platforms:
        if platform not in needed.platforms:
            yield platform


def _nearest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else "write one of " + ", ".join(names[:40])


def _ordered(file: str, modules: Mapping[str, ModuleAsk]) -> list[ModuleAsk]:
    """The modules, each after all that it needs.

    Modules that need each other in a circle do so on every platform: each job of one needs a job of the next,
    whatever the platforms, and there are finitely many. So the order of modules is all there is to look at.
    """
    needs = {name: [need.module for need in module.needs] for name, module in modules.items()}
    try:
        return [modules[name] for name in order(needs)]
    except ValueError:
        knots = cycles(needs)
        told = " and ".join(", ".join(knot[:-1]) if len(knot) > 2 else f"{knot[0]} itself" for knot in knots)
        first = modules[knots[0][0]]
        what = f"these modules need each other, so that none can be built first: {told}"
        raise PlanningError(file, first.line, what, "take one of these needs out") from None


def _trusts(ordered: Iterable[ModuleAsk], given: Trust) -> dict[str, Trust]:
    """The trust of each module: never above what was given, asked for, or the trust of anything it needs (I11)."""
    found: dict[str, Trust] = {}
    for module in ordered:
        least = [given, module.trust or given, *(found[need.module] for need in module.needs)]
        found[module.name] = min(least, key=TRUSTS.index)
    return found


class _Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One module on one platform: what its jobs have in common. `build`: the id of its build."""

    module: ModuleAsk
    platform: Platform
    identity: str
    source: Source
    trust: Trust
    klass: str
    pair: tuple[str, str]
    build: str


def _jobs(module: ModuleAsk, ground: _Ground) -> Iterator[PlannedJob]:
    """The jobs of one module on all its platforms."""
    own = {name: ((module.name, name), job_id(module.name, "build", name)) for name in module.platforms}
    ground.built[module.name] = own
    klass = lower_class(ground.given.klass, module.klass)
    for name, (pair, build) in own.items():
        place = _Place(
            module=module,
            platform=ground.platforms[name],
            identity=ground.identities.get(name, ""),
            source=ground.sources[module.name],
            trust=ground.trusts[module.name],
            klass=klass,
            pair=pair,
            build=build,
        )
        needed = dict(ground.built[need.module][need.platform or name] for need in module.needs)
        yield from _placed(place, tuple(needed), tuple(needed.values()))


def _placed(
    place: _Place, needs: tuple[tuple[str, str], ...], parents: tuple[str, ...]
) -> Iterator[PlannedJob]:
    """The jobs of one module on one platform. `parents`: the ids of the builds of `needs`."""
    module = place.module
    if module.fetch:
        fetch = _fetch(place)
        parents = (fetch.id, *parents)
        yield fetch
    yield _build(place, needs, parents)
    if module.test is not None:
        yield _test(place, module.test, needs, parents)


def _fetch(place: _Place) -> PlannedJob:
    """Brings from the network what the build starts with; it sees no $PREFIX."""
    spec = _spec(place, "fetch", commands=place.module.fetch, network="full")
    return _planned(place, spec, ())


def _build(place: _Place, needs: tuple[tuple[str, str], ...], parents: tuple[str, ...]) -> PlannedJob:
    """Builds the module; keeps its working tree where the test starts from it."""
    module = place.module
    spec = _spec(
        place,
        "build",
        commands=module.build,
        needs_modules=needs,
        source_from="fetch" if module.fetch else "source",
        network=module.network,
        artifacts=module.artifacts,
        keep_worktree=module.test is not None and module.test.start == "build",
        reuse_for_ms=module.reuse_for_ms,
        secrets=module.secrets,
    )
    return _planned(place, spec, parents)


def _test(
    place: _Place, test: AskedTest, needs: tuple[tuple[str, str], ...], parents: tuple[str, ...]
) -> PlannedJob:
    """Tests what the build installed, from a fresh source (with what the fetch left) or the build's working tree."""
    module = place.module
    spec = _spec(
        place,
        "test",
        commands=test.run,
        needs_modules=(place.pair, *needs),
        source_from="build" if test.start == "build" else "fetch" if module.fetch else "source",
        network=module.network,
        reuse=test.reuse,
        reuse_for_ms=module.reuse_for_ms,
        size=test.size or module.size,
        timeout_ms=test.timeout_ms or module.timeout_ms,
        secrets=test.secrets,
    )
    return _planned(place, spec, (place.build, *parents))


def _spec(place: _Place, kind: Kind, **differs: Any) -> JobSpec:
    """A spec with what all jobs of the place share, and what this kind has of its own."""
    module = place.module
    differs.setdefault("size", module.size)
    differs.setdefault("timeout_ms", module.timeout_ms)
    return JobSpec(
        kind=kind,
        module=module.name,
        platform=place.platform.name,
        environment=place.platform.environment,
        source=place.source,
        retry=module.retry,
        trust=place.trust,
        klass=place.klass,
        identity=place.identity,
        **differs,
    )


def _planned(place: _Place, spec: JobSpec, needs: tuple[str, ...]) -> PlannedJob:
    return PlannedJob(
        id=place.build if spec.kind == "build" else job_id(spec.module, spec.kind, spec.platform),
        kind=spec.kind,
        module=spec.module,
        platform=spec.platform,
        needs=needs,
        size=spec.size,
        spec=spec,
    )
